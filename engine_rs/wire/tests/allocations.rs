//! What an evaluation allocates follows what matches, not what exists.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use dealwright_wire::proto::{
    Cart, EvaluateRequest, Line, LineFilter, PercentDiscount, Phase, Promotion, Ruleset, Selector, Text,
    promotion::Rule,
};
use dealwright_wire::{Compiled, Timestamp};
use prost::Message;

fn off_a_product(id: &str, product: &str) -> Promotion {
    let scope = Selector {
        include: vec![LineFilter { product_ids: vec![product.to_owned()], ..LineFilter::default() }],
        ..Selector::default()
    };
    let percent = PercentDiscount {
        phase: Phase::Item.into(),
        percent_off_ppm: 100_000,
        scope: Some(scope),
        ..PercentDiscount::default()
    };
    Promotion {
        id: id.to_owned(),
        rule_language: dealwright_wire::RULE_LANGUAGE,
        name: vec![Text { language: "en".to_owned(), text: id.to_owned() }],
        rule: Some(Rule::PercentDiscount(percent)),
        ..Promotion::default()
    }
}

/// With so many promotions for goods that aren't in the cart.
fn allocations(others: usize) -> u64 {
    let mut promotions: Vec<Promotion> = (0..20).map(|n| off_a_product(&format!("own{n}"), "tea")).collect();
    promotions.extend((0..others).map(|n| off_a_product(&format!("other{n}"), &format!("product{n}"))));
    let ruleset = Ruleset { company_id: "shop".to_owned(), promotions, ..Ruleset::default() };
    let compiled = Compiled::compile(&ruleset.encode_to_vec()).unwrap();
    let line = |id: &str, product: &str| Line {
        id: id.to_owned(),
        product_id: product.to_owned(),
        quantity: 2,
        unit_price_minor: 1000,
        ..Line::default()
    };
    let lines = vec![line("1", "tea"), line("2", "cake")];
    let cart = Cart { currency_code: "IDR".to_owned(), lines, ..Cart::default() };
    let request = EvaluateRequest { cart: Some(cart), ..EvaluateRequest::default() }.encode_to_vec();
    let evaluate = || compiled.evaluate(&request, Timestamp::UNIX_EPOCH).unwrap();
    assert!(evaluate().len() > 1000);
    allocation_counter::measure(|| drop(evaluate())).count_total
}

#[test]
fn promotions_that_cannot_match_are_never_allocated_for() {
    let alone = allocations(0);

    assert_eq!(allocations(100), alone);
    assert_eq!(allocations(10_000), alone);
    println!("{alone} allocations for 20 promotions that match");
}
