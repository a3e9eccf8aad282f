//! Custom facts and the questions about them.

use crate::symbols::Symbol;

/// The value of a custom fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// A text, after Unicode NFC.
    Text(Symbol),
    /// An integer.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

/// A custom fact about a cart, a line, a customer or a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// What it is called.
    pub name: Symbol,
    /// What it says.
    pub value: AttributeValue,
}

/// A range of integers, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberRange {
    /// The smallest number inside.
    pub minimum: i64,
    /// The largest number inside.
    pub maximum: i64,
}

impl NumberRange {
    /// Whether a number lies inside.
    pub fn contains(&self, number: i64) -> bool {
        (self.minimum..=self.maximum).contains(&number)
    }
}

/// What is asked about an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Is it one of these texts?
    TextIn(Vec<Symbol>),
    /// Is it a number in this range?
    NumberIn(NumberRange),
    /// Is it this flag?
    FlagIs(bool),
}

/// A question about one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeTest {
    /// Which attribute.
    pub name: Symbol,
    /// Its name as written, for the verdict.
    pub written: Box<str>,
    /// What is asked.
    pub question: Question,
}

impl AttributeTest {
    /// The answer; `None` when the attribute isn't there. One of another type is a no.
    pub fn ask(&self, attributes: &[Attribute]) -> Option<bool> {
        let attribute = attributes.iter().find(|attribute| attribute.name == self.name)?;
        Some(match (&self.question, attribute.value) {
            (Question::TextIn(texts), AttributeValue::Text(text)) => texts.contains(&text),
            (Question::NumberIn(range), AttributeValue::Number(number)) => range.contains(number),
            (Question::FlagIs(wanted), AttributeValue::Flag(flag)) => *wanted == flag,
            _ => false,
        })
    }
}
