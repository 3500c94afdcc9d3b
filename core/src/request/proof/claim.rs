//! Decides how a claim is read out of Envoy's dynamic metadata.
//!
//! The whole message is read, and not one property for each claim: a property of one string is bytes without a type, so
//! that a text which looks like a list is one; and a payload with a `null` anywhere cannot be had as a property at all
//! (Envoy 1.36 to 1.40). The message has types. The order of members in it is another one for each request.
//!
//! ```text
//! ## Metadata   => 1: (1: namespace, 2: Struct)…
//! ## Struct     => 1: (1: name, 2: Value)…
//! ## Value      => 1: null | 2: number | 3: text | 4: flag | 5: Struct | 6: ListValue
//! ## ListValue  => 1: Value…
//! ```

/// A value of a payload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Claim<'a> {
    Null,
    Number(f64),
    Text(&'a str),
    Flag(bool),
    Object(&'a [u8]),
    List(&'a [u8]),
    /// None that the format has.
    Unreadable,
}

/// The object that a filter keeps in the metadata.
pub(super) fn namespace<'a>(metadata: &'a [u8], name: &str) -> Option<&'a [u8]> {
    entries(metadata).find(|(key, _)| *key == name.as_bytes()).map(|(_, object)| object)
}

/// The member `name` of an object.
pub(super) fn member<'a>(object: &'a [u8], name: &str) -> Option<Claim<'a>> {
    entries(object).find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| Claim::read(value))
}

/// All members of an object.
pub(super) fn members(object: &[u8]) -> impl Iterator<Item = (&[u8], Claim<'_>)> {
    entries(object).map(|(key, value)| (key, Claim::read(value)))
}

/// The items of a list.
pub(super) fn items(list: &[u8]) -> impl Iterator<Item = Claim<'_>> {
    Fields(list).map(|field| match field {
        Some((1, Field::Bytes(value))) => Claim::read(value),
        _ => Claim::Unreadable,
    })
}

/// The claim at `path` in an object.
pub(super) fn at<'a>(object: &'a [u8], path: &[Box<str>]) -> Option<Claim<'a>> {
    let (last, before) = path.split_last()?;
    let mut object = object;
    for name in before {
        match member(object, name)? {
            Claim::Object(inner) => object = inner,
            Claim::Null => return None,
            _ => return Some(Claim::Unreadable),
        }
    }
    member(object, last).filter(|claim| *claim != Claim::Null)
}

impl<'a> Claim<'a> {
    fn read(value: &'a [u8]) -> Self {
        let mut fields = Fields(value);
        let read = match fields.next() {
            None => Self::Null,
            Some(Some((1, Field::Varint(_)))) => Self::Null,
            Some(Some((2, Field::Fixed(number)))) => Self::Number(f64::from_le_bytes(number)),
            Some(Some((3, Field::Bytes(text)))) => {
                core::str::from_utf8(text).map_or(Self::Unreadable, Self::Text)
            }
            Some(Some((4, Field::Varint(flag)))) => Self::Flag(flag != 0),
            Some(Some((5, Field::Bytes(object)))) => Self::Object(object),
            Some(Some((6, Field::Bytes(list)))) => Self::List(list),
            Some(_) => Self::Unreadable,
        };
        // A value is one thing.
        if fields.next().is_some() { Self::Unreadable } else { read }
    }
}

/// The entries of a map from texts to messages: a message without one is empty.
fn entries(map: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    Fields(map).filter_map(|field| {
        let Some((1, Field::Bytes(entry))) = field else { return None };
        let (mut key, mut value): (&[u8], &[u8]) = (&[], &[]);
        for field in Fields(entry) {
            match field? {
                (1, Field::Bytes(bytes)) => key = bytes,
                (2, Field::Bytes(bytes)) => value = bytes,
                _ => return None,
            }
        }
        Some((key, value))
    })
}

/// A field of a message.
enum Field<'a> {
    Varint(u64),
    Fixed([u8; 8]),
    Bytes(&'a [u8]),
}

/// The fields of a message; `None` is the last one if it cannot be read.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Field<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn read(&mut self) -> Option<(u64, Field<'a>)> {
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed(self.take(8)?.try_into().ok()?),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.take(length)?)
            }
            _ => return None,
        };
        Some((key >> 3, field))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}
