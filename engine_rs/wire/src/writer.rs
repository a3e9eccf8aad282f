//! Writes messages field by field, straight into one buffer: an answer names what the engine and the request
//! hold already, so that nothing is copied before it is written. Fields come in the order of their numbers, and
//! one at its default is left out, so that the bytes are those that any other encoder would give.

/// A message that is being written.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

const VARINT: u32 = 0;
const LENGTH_DELIMITED: u32 = 2;
const VARINT_BYTES_MAX: usize = 10;

impl Writer {
    /// A writer with room for so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    /// What was written so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// A number, left out at 0.
    pub(crate) fn number(&mut self, field: u32, value: impl Into<i64>) {
        let value = value.into();
        if value != 0 {
            self.present_number(field, value);
        }
    }

    /// A number that is written at 0 too, as the member of a oneof.
    pub(crate) fn present_number(&mut self, field: u32, value: impl Into<i64>) {
        self.pair(field, VARINT, value.into().cast_unsigned());
    }

    /// A value of an enum, left out when unspecified.
    pub(crate) fn choice(&mut self, field: u32, value: impl Into<i32>) {
        self.number(field, value.into());
    }

    /// A text, left out when empty.
    pub(crate) fn text(&mut self, field: u32, text: &str) {
        self.bytes_of(field, text.as_bytes());
    }

    /// A text that is written when empty too.
    pub(crate) fn present_text(&mut self, field: u32, text: &str) {
        self.delimited(field, text.as_bytes());
    }

    /// Bytes, left out when empty.
    pub(crate) fn bytes_of(&mut self, field: u32, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.delimited(field, bytes);
        }
    }

    /// A message, written when empty too.
    pub(crate) fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        // Most messages are shorter than 128 bytes, and so is their length one byte; others are moved back.
        self.pair(field, LENGTH_DELIMITED, 0);
        let start = self.bytes.len() - 1;
        write(self);
        let length = self.bytes.len() - start - 1;
        if let (Ok(length @ 0..0x80), Some(byte)) = (u8::try_from(length), self.bytes.get_mut(start)) {
            *byte = length;
            return;
        }
        let mut prefix = Self::default();
        prefix.varint(length as u64);
        self.bytes.splice(start..=start, prefix.bytes);
    }

    fn delimited(&mut self, field: u32, bytes: &[u8]) {
        self.bytes.reserve(2 * VARINT_BYTES_MAX + bytes.len());
        self.pair(field, LENGTH_DELIMITED, bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    /// A key and the number that follows it, which are one byte each most of the time.
    fn pair(&mut self, field: u32, wire_type: u32, number: u64) {
        let key = u64::from(field << 3 | wire_type);
        if key < 0x80 && number < 0x80 {
            self.bytes.extend_from_slice(&[low_byte(key), low_byte(number)]);
        } else {
            self.varint(key);
            self.varint(number);
        }
    }

    fn varint(&mut self, mut value: u64) {
        if value < 0x80 {
            self.bytes.push(low_byte(value));
            return;
        }
        let mut digits = [0; VARINT_BYTES_MAX];
        let mut count = 0;
        for digit in &mut digits {
            count += 1;
            *digit = low_byte(value) | 0x80;
            value >>= 7;
            if value == 0 {
                *digit &= 0x7f;
                break;
            }
        }
        self.bytes.extend_from_slice(digits.get(..count).unwrap_or_default());
    }
}

fn low_byte(value: u64) -> u8 {
    value.to_le_bytes()[0]
}
