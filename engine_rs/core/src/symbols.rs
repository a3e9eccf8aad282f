//! Ids as small integers: a ruleset's names are interned once, a cart's are looked up.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use unicode_normalization::UnicodeNormalization;

/// An interned id. Two symbols of one table are equal exactly when their texts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(u32);

impl Symbol {
    /// Stands for every text that no promotion mentions; equal to none that one does.
    pub const UNKNOWN: Self = Self(u32::MAX);
    /// Stands for a fact that wasn't given.
    pub const ABSENT: Self = Self(u32::MAX - 1);

    /// Its number among the symbols of its table, from 0; far beyond them for unknown and absent.
    pub(crate) fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// The texts of one ruleset.
#[derive(Debug, Default)]
pub struct Symbols {
    by_text: HashMap<Box<str>, Symbol, FixedState>,
    texts: Vec<Box<str>>,
}

impl Symbols {
    /// The symbol of `text`, made when it is new.
    pub fn intern(&mut self, text: &str) -> Symbol {
        if let Some(symbol) = self.by_text.get(text) {
            return *symbol;
        }
        // A ruleset is limited to far fewer bytes than 2^32 texts would need.
        let symbol = Symbol(u32::try_from(self.texts.len()).unwrap_or(u32::MAX - 2));
        self.by_text.insert(text.into(), symbol);
        self.texts.push(text.into());
        symbol
    }

    /// The text of a symbol; empty for unknown and absent.
    #[must_use]
    pub fn text(&self, symbol: Symbol) -> &str {
        self.texts.get(symbol.index()).map_or("", |text| text)
    }

    /// The symbol of a text that a cart brings; empty is absent.
    #[must_use]
    pub fn find(&self, text: &str) -> Symbol {
        if text.is_empty() {
            return Symbol::ABSENT;
        }
        self.by_text.get(text).copied().unwrap_or(Symbol::UNKNOWN)
    }

    /// As `intern`, for names that are compared without regard to case.
    pub fn intern_folded(&mut self, text: &str) -> Symbol {
        let folded = fold(text);
        self.intern(&folded)
    }

    /// As `find`, for names that are compared without regard to case.
    #[must_use]
    pub fn find_folded(&self, text: &str) -> Symbol {
        if text.is_empty() {
            return Symbol::ABSENT;
        }
        match self.by_text.get(text) {
            // Names are mostly written as they are folded.
            Some(symbol) if is_folded(text) => *symbol,
            _ => self.find(&fold(text)),
        }
    }
}

/// Brings codes and names to the form in which they are compared (S-9.1): trimmed, NFKC, case folded.
#[must_use]
pub fn fold(text: &str) -> String {
    let text = text.trim();
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Upper case first, so that letters with several lower forms (ß, final sigma) meet in one.
    text.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect()
}

fn is_folded(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_no_promotion_mentions_equals_none_that_one_does() {
        let mut symbols = Symbols::default();
        let coffee = symbols.intern("coffee");
        assert_eq!(symbols.find("coffee"), coffee);
        assert_eq!(symbols.find("tea"), Symbol::UNKNOWN);
        assert_eq!(symbols.find(""), Symbol::ABSENT);
        assert_ne!(coffee, Symbol::UNKNOWN);
    }

    #[test]
    fn what_was_not_given_is_no_name() {
        let mut symbols = Symbols::default();
        symbols.intern("");
        assert_eq!(symbols.find_folded(""), Symbol::ABSENT);
        assert_eq!(symbols.find(""), Symbol::ABSENT);
    }

    #[test]
    fn codes_are_trimmed_normalised_and_folded() {
        assert_eq!(fold("  Weekend20 "), "weekend20");
        assert_eq!(fold("ＷＥＥＫＥＮＤ２０"), "weekend20");
        assert_eq!(fold("STRASSE"), fold("straße"));
        assert_eq!(fold("ΟΔΟΣ"), fold("οδος"));
    }
}
