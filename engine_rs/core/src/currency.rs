//! ISO 4217 currencies and how many digits their minor unit has.

use std::fmt;

/// A currency of ISO 4217; any other code can't be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The currency with this code in upper case.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        exponent_of(code).map(|_| Self(bytes))
    }

    /// The code, such as IDR.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// How many digits the minor unit has: 2 for USD and IDR, 0 for JPY.
    #[must_use]
    pub fn exponent(&self) -> u32 {
        exponent_of(self.code()).unwrap_or_default()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

/// The digits are those of ISO 4217, not of CLDR, which rounds for display (IQD, for one).
fn exponent_of(code: &str) -> Option<u32> {
    if code.len() != 3 {
        return None;
    }
    let listed = |codes: &str| codes.split_ascii_whitespace().any(|listed| listed == code);
    EXPONENTS.iter().find(|(_, codes)| listed(codes)).map(|(exponent, _)| *exponent)
}

const EXPONENTS: [(u32, &str); 4] = [
    (
        2,
        "IDR USD EUR SGD MYR THB PHP AUD GBP CNY HKD TWD INR AED AFN ALL AMD ANG AOA ARS AWG AZN BAM BBD BDT BGN BMD \
         BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB FJD FKP GEL GHS GIP \
         GMD GTQ GYD HNL HTG HUF ILS IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP \
         MRU MUR MVR MWK MXN MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SHP \
         SLE SOS SRD SSP STN SVC SYP SZL TJS TMT TOP TRY TTD TZS UAH UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG",
    ),
    (0, "JPY KRW VND CLP BIF DJF GNF ISK KMF PYG RWF UGX VUV XAF XOF XPF"),
    (3, "KWD BHD OMR JOD IQD LYD TND"),
    (4, "CLF UYW"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_those_of_the_standard() {
        for (code, exponent) in [("IDR", 2), ("JPY", 0), ("KWD", 3), ("IQD", 3), ("LAK", 2), ("CLF", 4)] {
            assert_eq!(Currency::parse(code).map(|currency| currency.exponent()), Some(exponent), "{code}");
        }
    }

    #[test]
    fn other_codes_are_no_currency() {
        for code in ["", "idr", "XXX", "RUPIAH", "ID", "R\u{e9}"] {
            assert_eq!(Currency::parse(code), None, "{code}");
        }
    }
}
