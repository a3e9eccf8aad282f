//! What verdicts and traces say in words, in English and Indonesian. Other languages fall back to
//! English.

use dealwright_core::advice::{Change, NearMiss};
use dealwright_core::currency::Currency;
use dealwright_core::rational::Fraction;
use dealwright_core::reason::{Because, Parameter, Reason};

/// A language that the engine speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Indonesian,
}

impl Language {
    /// The language of a BCP 47 tag.
    pub(crate) fn of(tag: &str) -> Self {
        match tag.split('-').next() {
            Some("id") => Self::Indonesian,
            _ => Self::English,
        }
    }

    pub(crate) fn pick(self, english: &'static str, indonesian: &'static str) -> &'static str {
        match self {
            Self::English => english,
            Self::Indonesian => indonesian,
        }
    }

    /// Thousands are grouped and decimals marked as people of the language do.
    fn separators(self) -> (char, char) {
        match self {
            Self::English => (',', '.'),
            Self::Indonesian => ('.', ','),
        }
    }
}

/// The sentence of a reason.
pub(crate) fn reason(because: &Because, language: Language) -> String {
    let (english, indonesian) = template(because);
    let template = language.pick(english, indonesian);
    let mut text = String::with_capacity(template.len() + 48);
    let mut rest = template;
    while let Some((before, (name, behind))) =
        rest.split_once('{').and_then(|(before, opened)| Some((before, opened.split_once('}')?)))
    {
        text.push_str(before);
        if let Some((_, value)) = because.parameters.iter().find(|(parameter, _)| *parameter == name) {
            push_parameter(value, language, &mut text);
        }
        rest = behind;
    }
    text.push_str(rest);
    text
}

/// What is said of a code that no promotion has.
pub(crate) fn unknown_code(language: Language) -> &'static str {
    language.pick("No promotion has this code.", "Tidak ada promo dengan kode ini.")
}

/// What is said of a code that was given before.
pub(crate) fn repeated_code(language: Language) -> &'static str {
    language.pick("This code was given before; it counts once.", "Kode ini sudah diberikan; dihitung sekali.")
}

/// Gifts and rewards are applied without lowering a price.
fn gives_no_discount(because: &Because) -> bool {
    because.parameters.iter().all(|(_, value)| matches!(value, Parameter::Money(_, 0)))
}

/// Whether there are more units than may be, not fewer than must be.
fn has_too_many(because: &Because) -> bool {
    let number = |name| {
        let found = because.parameters.iter().find(|(parameter, _)| *parameter == name);
        found.and_then(|(_, value)| if let Parameter::Number(number) = value { Some(*number) } else { None })
    };
    number("had") > number("needed")
}

fn template(because: &Because) -> (&'static str, &'static str) {
    match because.reason {
        Reason::Applied if gives_no_discount(because) => ("Applied.", "Dipakai."),
        Reason::Applied => ("Applied: {discount} off.", "Dipakai: potongan {discount}."),
        Reason::Unsupported => {
            ("This version can't evaluate it: {detail}.", "Versi ini tidak dapat menghitungnya: {detail}.")
        }
        Reason::Error => ("It couldn't be computed: {detail}.", "Tidak dapat dihitung: {detail}."),
        Reason::NotStarted => ("It starts at {starts}.", "Mulai berlaku {starts}."),
        Reason::Ended => ("It ended at {ended}.", "Sudah berakhir {ended}."),
        Reason::DayOfWeek => ("Not on this day ({day}).", "Tidak berlaku pada hari ini ({day})."),
        Reason::TimeOfDay => {
            ("Not at this time ({local_time}).", "Tidak berlaku pada jam ini ({local_time}).")
        }
        Reason::Holiday => (
            "Not on this day by the holiday calendar ({date}).",
            "Tidak berlaku menurut kalender libur ({date}).",
        ),
        Reason::Store => ("Not in this store.", "Tidak berlaku di toko ini."),
        Reason::Brand => ("Not under this brand.", "Tidak berlaku untuk merek ini."),
        Reason::Channel => ("Not on this channel.", "Tidak berlaku di kanal ini."),
        Reason::Region => ("Not in this region.", "Tidak berlaku di wilayah ini."),
        Reason::MembersOnly => ("Only for members.", "Khusus anggota."),
        Reason::MemberTier => ("Not for this member tier.", "Tidak berlaku untuk tingkat keanggotaan ini."),
        Reason::Segment => ("Not for this customer's segments.", "Tidak berlaku untuk segmen pelanggan ini."),
        Reason::CustomerType => ("Only for {needed} customers.", "Tidak berlaku untuk jenis pelanggan ini."),
        Reason::CodeNeeded => ("It needs its code.", "Perlu kode promo."),
        Reason::VoucherNeeded => ("It needs a voucher.", "Perlu voucher."),
        Reason::Currency => ("It has no amount in {currency}.", "Tidak ada nilai dalam {currency}."),
        Reason::NoMatchingLines => {
            ("Nothing in the cart is in its scope.", "Tidak ada barang yang termasuk promo.")
        }
        Reason::Threshold => (
            "Buy for {missing} more: {needed} is needed, {had} is there.",
            "Tambah belanja {missing}: perlu {needed}, baru {had}.",
        ),
        Reason::Quantity if has_too_many(because) => (
            "It allows at most {needed} of its goods; the cart has {had} of them.",
            "Paling banyak {needed} barang promo; di keranjang ada {had}.",
        ),
        Reason::Quantity => (
            "It needs {needed} of its goods; the cart has {had} that it can use.",
            "Perlu {needed} barang promo; di keranjang ada {had} yang bisa dipakai.",
        ),
        Reason::Payment => ("Not for this way of paying.", "Tidak berlaku untuk cara pembayaran ini."),
        Reason::Customer => {
            ("The customer's history doesn't fit ({fact}).", "Riwayat pelanggan tidak sesuai ({fact}).")
        }
        Reason::Attribute => ("{attribute} doesn't fit.", "{attribute} tidak sesuai."),
        Reason::UnknownAttribute => ("{attribute} isn't known.", "{attribute} tidak diketahui."),
        Reason::Condition => ("Its condition doesn't hold.", "Syaratnya tidak terpenuhi."),
        Reason::CrossBrand => (
            "Spend {missing} more at the partner brands: {needed} is needed, {had} is there.",
            "Tambah belanja {missing} di merek mitra: perlu {needed}, baru {had}.",
        ),
        Reason::Limit => ("Its limit of uses is reached.", "Batas pemakaian sudah tercapai."),
        Reason::Budget => (
            "Its budget can't pay {needed}; {had} is left.",
            "Anggarannya tidak cukup untuk {needed}; sisa {had}.",
        ),
        Reason::Exclusive => ("It can't stand beside {winner}.", "Tidak dapat digabung dengan {winner}."),
        Reason::Group => {
            ("{winner} of the same group was applied.", "{winner} dari grup yang sama sudah dipakai.")
        }
        Reason::BetterPlan => (
            "The chosen promotions give more without it; with it {lost_by} would be lost.",
            "Promo yang dipilih memberi lebih banyak tanpanya; dengannya hilang {lost_by}.",
        ),
        Reason::UnitsTaken => ("Other promotions took its units.", "Barangnya sudah dipakai promo lain."),
        Reason::NoEffect => ("It would give nothing here.", "Tidak memberi potongan di sini."),
        Reason::Lease => (
            "Its uses are limited, and this till has no lease of any.",
            "Pemakaiannya dibatasi, dan kasir ini tidak memegang jatahnya.",
        ),
        Reason::Blocked => (
            "It can't stand beside {unsupported}, which this version can't evaluate.",
            "Tidak dapat digabung dengan {unsupported}, yang tidak dapat dihitung versi ini.",
        ),
    }
}

/// What a near miss says.
pub(crate) fn near_miss(
    near_miss: &NearMiss,
    currency: Currency,
    product: &str,
    promotion: &str,
    language: Language,
) -> String {
    let change = match (&near_miss.change, language) {
        (Change::SpendMore(currency, minor), Language::English) => {
            format!("Spend {} more", money(*currency, *minor, language))
        }
        (Change::SpendMore(currency, minor), Language::Indonesian) => {
            format!("Tambah belanja {}", money(*currency, *minor, language))
        }
        (Change::BuyMore { quantity, .. }, Language::English) => format!("Add {quantity} x {product}"),
        (Change::BuyMore { quantity, .. }, Language::Indonesian) => format!("Tambah {quantity} x {product}"),
    };
    let gain = money(currency, near_miss.gain, language);
    match language {
        Language::English => format!("{change} and save {gain} more: {promotion}."),
        Language::Indonesian => format!("{change} dan hemat {gain} lagi: {promotion}."),
    }
}

/// What became of a promotion before and after, in the words of its verdicts.
pub(crate) fn difference(before: &str, after: &str, language: Language) -> String {
    match language {
        Language::English => format!("Before: {before} After: {after}"),
        Language::Indonesian => format!("Sebelum: {before} Sesudah: {after}"),
    }
}

/// What is said of a promotion without a verdict that isn't applied.
pub(crate) fn not_applied(language: Language) -> &'static str {
    language.pick("Not applied.", "Tidak dipakai.")
}

/// By how much more or less is to be paid.
pub(crate) fn paid_more(currency: Currency, minor: i64, language: Language) -> String {
    let amount = money(currency, minor.saturating_abs(), language);
    match (minor, language) {
        (0, _) => language.pick("As much to pay.", "Yang dibayar sama.").to_owned(),
        (1.., Language::English) => format!("{amount} more to pay."),
        (1.., Language::Indonesian) => format!("Yang dibayar bertambah {amount}."),
        (_, Language::English) => format!("{amount} less to pay."),
        (_, Language::Indonesian) => format!("Yang dibayar berkurang {amount}."),
    }
}

/// How the amount of an application came about.
pub(crate) struct Trace {
    pub(crate) currency: Currency,
    pub(crate) base: i64,
    pub(crate) exact: Fraction,
    pub(crate) rounded: i64,
    pub(crate) capped: i64,
    pub(crate) given: i64,
}

/// The sentences of a trace: only what changed the amount is told.
pub(crate) fn trace(trace: &Trace, language: Language) -> String {
    let amount = |minor| money(trace.currency, minor, language);
    let mut text = match language {
        Language::English => format!("On {}: {}", amount(trace.base), amount(trace.rounded)),
        Language::Indonesian => format!("Dari {}: {}", amount(trace.base), amount(trace.rounded)),
    };
    if trace.exact.denominator > 1 && trace.exact.numerator % trace.exact.denominator != 0 {
        text.push_str(language.pick(" (rounded)", " (dibulatkan)"));
    }
    if trace.capped < trace.rounded {
        text.push_str(language.pick("; limited to ", "; dibatasi "));
        text.push_str(&amount(trace.capped));
    }
    if trace.given < trace.capped {
        text.push_str(language.pick("; prices and floors let through ", "; setelah batas harga "));
        text.push_str(&amount(trace.given));
    }
    text.push('.');
    text
}

fn push_parameter(value: &Parameter, language: Language, text: &mut String) {
    match value {
        Parameter::Text(written) => text.push_str(written),
        Parameter::Number(number) => text.push_str(&number.to_string()),
        Parameter::Money(currency, minor) => push_money(*currency, *minor, language, text),
    }
}

fn money(currency: Currency, minor: i64, language: Language) -> String {
    let mut text = String::new();
    push_money(currency, minor, language, &mut text);
    text
}

fn push_money(currency: Currency, minor: i64, language: Language, text: &mut String) {
    let (group, point) = language.separators();
    let exponent = usize::try_from(currency.exponent()).unwrap_or_default();
    text.push_str(currency.code());
    text.push(' ');
    if minor < 0 {
        text.push('-');
    }
    // At least one digit stands before the point.
    let digits = format!("{:0width$}", minor.unsigned_abs(), width = exponent + 1);
    let whole = digits.len() - exponent;
    for (place, digit) in digits.chars().enumerate() {
        if place == whole {
            text.push(point);
        } else if place > 0 && place < whole && (whole - place).is_multiple_of(3) {
            text.push(group);
        }
        text.push(digit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_with_the_digits_of_its_currency() {
        let of = |code, minor, language| money(Currency::parse(code).unwrap(), minor, language);
        assert_eq!(of("IDR", 2_500_000, Language::Indonesian), "IDR 25.000,00");
        assert_eq!(of("USD", 123_456_789, Language::English), "USD 1,234,567.89");
        assert_eq!(of("JPY", 980, Language::English), "JPY 980");
        assert_eq!(of("KWD", -1_005, Language::English), "KWD -1.005");
    }

    #[test]
    fn a_reason_fills_its_parameters_in() {
        let idr = Currency::parse("IDR").unwrap();
        let because = Because::short_of(Reason::Threshold, idr, 5_000_000, 3_800_000);
        assert_eq!(
            reason(&because, Language::of("id-id")),
            "Tambah belanja IDR 12.000,00: perlu IDR 50.000,00, baru IDR 38.000,00."
        );
        assert!(reason(&because, Language::of("fr")).starts_with("Buy for IDR 12,000.00 more"));
    }

    #[test]
    fn a_number_of_units_is_too_small_or_too_large() {
        let said = |needed, had, language| reason(&Because::counts(Reason::Quantity, needed, had), language);
        assert_eq!(said(3, 2, Language::English), "It needs 3 of its goods; the cart has 2 that it can use.");
        assert_eq!(
            said(3, 4, Language::English),
            "It allows at most 3 of its goods; the cart has 4 of them."
        );
        assert_eq!(
            said(3, 2, Language::Indonesian),
            "Perlu 3 barang promo; di keranjang ada 2 yang bisa dipakai."
        );
        assert_eq!(said(3, 4, Language::Indonesian), "Paling banyak 3 barang promo; di keranjang ada 4.");
    }
}
