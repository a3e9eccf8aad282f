//! Reads messages that borrow their texts from the bytes they came in: a request is read once and looked up at
//! once, so that copying its names would be half of the work. Accepts what any decoder of the schema accepts.

/// A message whose texts are parts of the bytes that it was read from.
pub(crate) trait View<'a>: Default {
    /// Reads the value of a field, which the reader has come to. One that isn't known is passed over.
    fn read(&mut self, field: u32, reader: &mut Reader<'a>) -> Result<(), Unreadable>;
}

/// Why bytes can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Malformed,
    /// Nested deeper than other decoders read.
    TooDeep,
}

/// Bytes that are read from front to back.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    /// How the field is written that the reader has come to.
    wire_type: u8,
}

const VARINT: u8 = 0;
const FIXED_64: u8 = 1;
const LENGTH_DELIMITED: u8 = 2;
const START_GROUP: u8 = 3;
const END_GROUP: u8 = 4;
const FIXED_32: u8 = 5;
/// Groups inside groups; the limit of other decoders.
const DEPTH_MAX: usize = 100;

/// Reads a whole message.
pub(crate) fn view<'a, V: View<'a>>(bytes: &'a [u8]) -> Result<V, Unreadable> {
    let mut view = V::default();
    merge(&mut view, bytes)?;
    Ok(view)
}

/// A message that comes again adds to itself.
fn merge<'a, V: View<'a>>(view: &mut V, bytes: &'a [u8]) -> Result<(), Unreadable> {
    let mut reader = Reader { bytes, wire_type: VARINT };
    while !reader.bytes.is_empty() {
        let field = reader.key()?;
        view.read(field, &mut reader)?;
    }
    Ok(())
}

impl<'a> Reader<'a> {
    pub(crate) fn text(&mut self) -> Result<&'a str, Unreadable> {
        std::str::from_utf8(self.delimited()?).map_err(|_| Unreadable::Malformed)
    }

    pub(crate) fn int64(&mut self) -> Result<i64, Unreadable> {
        self.expect(VARINT)?;
        Ok(self.varint()?.cast_signed())
    }

    /// The lower 32 bits: what a longer number is read as.
    pub(crate) fn int32(&mut self) -> Result<i32, Unreadable> {
        self.expect(VARINT)?;
        let [a, b, c, d, ..] = self.varint()?.to_le_bytes();
        Ok(i32::from_le_bytes([a, b, c, d]))
    }

    pub(crate) fn boolean(&mut self) -> Result<bool, Unreadable> {
        self.expect(VARINT)?;
        Ok(self.varint()? != 0)
    }

    pub(crate) fn message<V: View<'a>>(&mut self, view: &mut V) -> Result<(), Unreadable> {
        merge(view, self.delimited()?)
    }

    /// Passes over a field of any kind.
    pub(crate) fn skip(&mut self, field: u32) -> Result<(), Unreadable> {
        self.skip_in(field, DEPTH_MAX)
    }

    fn skip_in(&mut self, field: u32, depth: usize) -> Result<(), Unreadable> {
        let Some(depth) = depth.checked_sub(1) else { return Err(Unreadable::TooDeep) };
        match self.wire_type {
            VARINT => self.varint().map(|_| ()),
            FIXED_64 => self.take(8).map(|_| ()),
            FIXED_32 => self.take(4).map(|_| ()),
            LENGTH_DELIMITED => self.delimited().map(|_| ()),
            START_GROUP => loop {
                let inner = self.key()?;
                if self.wire_type == END_GROUP {
                    return if inner == field { Ok(()) } else { Err(Unreadable::Malformed) };
                }
                self.skip_in(inner, depth)?;
            },
            _ => Err(Unreadable::Malformed),
        }
    }

    /// Comes to the next field, and gives its number.
    fn key(&mut self) -> Result<u32, Unreadable> {
        let key = u32::try_from(self.varint()?).map_err(|_| Unreadable::Malformed)?;
        self.wire_type = key.to_le_bytes()[0] & 7;
        let field = key >> 3;
        if field == 0 || self.wire_type > FIXED_32 { Err(Unreadable::Malformed) } else { Ok(field) }
    }

    fn expect(&self, wire_type: u8) -> Result<(), Unreadable> {
        if self.wire_type == wire_type { Ok(()) } else { Err(Unreadable::Malformed) }
    }

    fn delimited(&mut self) -> Result<&'a [u8], Unreadable> {
        self.expect(LENGTH_DELIMITED)?;
        let length = usize::try_from(self.varint()?).map_err(|_| Unreadable::Malformed)?;
        self.take(length)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(Unreadable::Malformed)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, Unreadable> {
        // Most numbers are below 128.
        if let [byte @ 0..0x80, rest @ ..] = self.bytes {
            self.bytes = rest;
            return Ok(u64::from(*byte));
        }
        let mut value = 0;
        for (index, byte) in self.bytes.iter().take(10).enumerate() {
            // The tenth byte holds the one bit that is left.
            if index == 9 && *byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.bytes = self.bytes.get(index + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(Unreadable::Malformed)
    }
}
