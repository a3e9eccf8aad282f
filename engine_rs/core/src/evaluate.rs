//! Prices a cart: screening, choice of the plan, one walk through the pipeline, verdicts.

use smallvec::SmallVec;

use crate::blocking::Blocking;
use crate::eligibility::{Screened, answers_a_code, is_candidate, is_placed, screen};
use crate::evaluation::{CodeOutcome, Evaluation, LeftToPay, Verdict};
use crate::model::{Cart, GivenCode};
use crate::plan::{Choice, Open};
use crate::reason::{Because, Reason};
use crate::request::{Request, Verdicts};
use crate::ruleset::Ruleset;
use crate::units::Prices;

/// Prices the cart.
pub fn evaluate(ruleset: &Ruleset, request: &Request<'_>) -> Evaluation {
    let list = Prices::of(request.cart);
    let mut screening = Screening::new(ruleset, request, &list);
    match request.verdicts {
        Verdicts::All => (0..ruleset.promotions().len()).for_each(|place| screening.look_at(place, None)),
        Verdicts::Candidates | Verdicts::None => {
            let candidates = ruleset.candidates(request.cart);
            screening.verdicts.reserve(candidates.len());
            candidates.iter().for_each(|(place, lines)| screening.look_at(place, lines.as_deref()));
        }
    }
    let Screening { mut verdicts, open, candidates, .. } = screening;
    let eligible = open.len();
    let choice = Choice::new(ruleset, request, open);
    let plan = choice.choose(&list);
    let unrolled = choice.unroll(&plan, &list, &mut verdicts);
    Evaluation {
        lines: left_to_pay(request.cart, &unrolled.prices),
        applied: unrolled.applied,
        verdicts,
        benefit: plan.benefit,
        proof: plan.proof,
        nodes: plan.nodes,
        candidates,
        eligible,
        codes: code_outcomes(ruleset, request.cart),
    }
}

struct Screening<'a> {
    ruleset: &'a Ruleset,
    request: &'a Request<'a>,
    list: &'a Prices,
    blocking: Blocking<'a>,
    verdicts: Vec<Verdict>,
    open: Vec<Open<'a>>,
    candidates: usize,
}

impl<'a> Screening<'a> {
    fn new(ruleset: &'a Ruleset, request: &'a Request<'a>, list: &'a Prices) -> Self {
        let blocking = Blocking::of(ruleset, request);
        Self { ruleset, request, list, blocking, verdicts: Vec::new(), open: Vec::new(), candidates: 0 }
    }

    /// Screens a promotion; only the lines `among` can be in its scope, when they are given.
    fn look_at(&mut self, place: usize, among: Option<&[usize]>) {
        let Some(promotion) = self.ruleset.promotions().get(place) else { return };
        let (cart, verdicts) = (self.request.cart, self.request.verdicts);
        // An answer to a code gives the reason of its promotion, be it a candidate or not.
        let answers_a_code = answers_a_code(promotion, cart);
        let placed = is_placed(promotion, cart);
        if !placed && !answers_a_code && verdicts != Verdicts::All {
            return;
        }
        let candidate = placed && is_candidate(promotion, cart, among);
        if !candidate && !answers_a_code && verdicts != Verdicts::All {
            return;
        }
        self.candidates += usize::from(candidate);
        let listed = match verdicts {
            Verdicts::None => false,
            Verdicts::Candidates => candidate,
            Verdicts::All => true,
        };
        let asked_about = listed || answers_a_code;
        match screen(promotion, self.request, self.list, among) {
            Screened::Refused(because) => self.judge(place, because, asked_about, listed),
            Screened::Open(scope) => {
                if let Err(because) = self.blocking.check(promotion) {
                    return self.judge(place, because, asked_about, listed);
                }
                let allowance = self.request.allowance(promotion.symbol);
                let verdict = asked_about.then_some(self.verdicts.len());
                self.open.push(Open { place, promotion, scope, allowance, verdict });
                // Whether it is chosen is told when the plan is known.
                self.judge(place, Because::plain(Reason::BetterPlan), asked_about, listed);
            }
        }
    }

    fn judge(&mut self, promotion: usize, because: Because, asked_about: bool, listed: bool) {
        if asked_about {
            self.verdicts.push(Verdict { promotion, because, listed });
        }
    }
}

fn left_to_pay(cart: &Cart, prices: &Prices) -> Vec<SmallVec<[LeftToPay; 1]>> {
    let mut lines = vec![SmallVec::<[LeftToPay; 1]>::new(); cart.lines.len()];
    for run in prices.runs() {
        let Some(line) = lines.get_mut(run.line) else {
            continue;
        };
        match line.last_mut() {
            Some(last) if last.each == run.left => last.count += run.count,
            _ => line.push(LeftToPay { count: run.count, each: run.left }),
        }
    }
    lines
}

fn code_outcomes(ruleset: &Ruleset, cart: &Cart) -> Vec<CodeOutcome> {
    let outcome = |given: &GivenCode| {
        if given.repeated {
            return CodeOutcome::Duplicate;
        }
        let owner = match given.voucher_of {
            Some(promotion) => ruleset.owner_of_voucher(promotion),
            None => ruleset.owner_of_code(given.code),
        };
        owner.map_or(CodeOutcome::Unknown, CodeOutcome::Of)
    };
    cart.codes.iter().map(outcome).collect()
}
