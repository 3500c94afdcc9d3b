//! Decides what a JSON body says to the most lenient of the usual parsers.
//!
//! Python's `json` takes UTF-16, UTF-32 and `NaN`; Go's takes the first of several documents and members in any
//! case; Jackson and JSON5 take comments, single quotes and commas too many; nearly all take doubled members, of
//! which some believe the first and most the last; protobuf takes both spellings of a name.

/// A JSON value of which nothing is lost: members in order, doubled ones too, numbers as they are written.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`, and `NaN`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number's text.
    Number(String),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object's members.
    Object(Vec<(String, Json)>),
}

/// Which member a parser takes for the one of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The last that is spelled so: Python, JavaScript, nlohmann.
    Last,
    /// The first that is spelled so: RapidJSON, simdjson.
    First,
    /// The last, in any case: Go.
    Folded,
    /// The last, in snake case or camel case: protobuf.
    Protobuf,
}

impl Lookup {
    /// Every way to look a member up.
    pub const ALL: [Self; 4] = [Self::Last, Self::First, Self::Folded, Self::Protobuf];

    fn takes(self, known: &str, name: &str) -> bool {
        match self {
            Self::Last | Self::First => known == name,
            Self::Folded => folded(known) == folded(name),
            Self::Protobuf => camel(known) == camel(name),
        }
    }
}

/// A name in the case that Go's `encoding/json` compares: beside ASCII two letters fold into it.
#[must_use]
pub fn folded(name: &str) -> String {
    let fold = |letter| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    name.chars().map(fold).collect()
}

/// A name in camel case, as protobuf writes it.
#[must_use]
pub fn camel(name: &str) -> String {
    let mut upper = false;
    let mut camel = String::new();
    for letter in name.chars() {
        match letter {
            '_' => upper = true,
            letter if upper => {
                camel.push(letter.to_ascii_uppercase());
                upper = false;
            }
            letter => camel.push(letter),
        }
    }
    camel
}

impl Json {
    /// What a lenient parser makes of a body; `None` if none makes anything of it.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        let text: Vec<char> = decoded(body).chars().collect();
        let mut parser = Parser { text: &text, at: 0, depth: 0 };
        parser.value()
    }

    /// The member that a parser takes for the one of this name.
    #[must_use]
    pub fn member(&self, name: &str, lookup: Lookup) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        let mut taken = members.iter().filter(|(known, _)| lookup.takes(known, name));
        let found = if lookup == Lookup::First { taken.next() } else { taken.next_back() };
        found.map(|(_, value)| value)
    }

    /// What [`member`](Self::member) finds along a path of names.
    #[must_use]
    pub fn at(&self, path: &[&str], lookup: Lookup) -> Option<&Self> {
        path.iter().try_fold(self, |value, name| value.member(name, lookup))
    }

    /// Everything that one parser or another takes for the string at this path.
    #[must_use]
    pub fn texts(&self, path: &[&str]) -> Vec<&str> {
        let found = Lookup::ALL.into_iter().filter_map(|lookup| match self.at(path, lookup) {
            Some(Self::Text(text)) => Some(text.as_str()),
            _ => None,
        });
        let mut texts: Vec<&str> = found.collect();
        texts.sort_unstable();
        texts.dedup();
        texts
    }

    /// Whether it is true to a lenient reader: Python's pydantic takes words and numbers too.
    #[must_use]
    pub fn is_true(&self) -> bool {
        match self {
            Self::Bool(truth) => *truth,
            Self::Number(number) => number.parse() == Ok(1.0),
            Self::Text(text) => ["true", "1", "yes", "on", "y", "t"].contains(&&*text.to_ascii_lowercase()),
            Self::Null | Self::List(_) | Self::Object(_) => false,
        }
    }

    /// The number that it is to a lenient reader: strings of digits and `1e3` are numbers to some.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.trim_start_matches('+').parse().ok(),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Bool(truth) => Some(f64::from(u8::from(*truth))),
            Self::Null | Self::List(_) | Self::Object(_) => None,
        }
    }
}

/// The text of a body, in the encoding that Python's `json.detect_encoding` finds.
#[must_use]
pub fn decoded(body: &[u8]) -> String {
    let wide = |bytes: &[u8], read: fn([u8; 2]) -> u16| {
        let pairs = bytes.chunks_exact(2).map(|pair| read([pair[0], pair[1]]));
        char::decode_utf16(pairs).map(|letter| letter.unwrap_or('\u{fffd}')).collect::<String>()
    };
    let widest = |bytes: &[u8], read: fn([u8; 4]) -> u32| {
        let letters = bytes.chunks_exact(4).map(|four| read([four[0], four[1], four[2], four[3]]));
        letters.map(|letter| char::from_u32(letter).unwrap_or('\u{fffd}')).collect::<String>()
    };
    match body {
        [0xff, 0xfe, 0, 0, rest @ ..] => widest(rest, u32::from_le_bytes),
        [0, 0, 0xfe, 0xff, rest @ ..] => widest(rest, u32::from_be_bytes),
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        [0, 0, 0, _, ..] => widest(body, u32::from_be_bytes),
        [_, 0, 0, 0, ..] => widest(body, u32::from_le_bytes),
        [0, _, ..] => wide(body, u16::from_be_bytes),
        [_, 0, ..] => wide(body, u16::from_le_bytes),
        _ => String::from_utf8_lossy(body).into_owned(),
    }
}

struct Parser<'a> {
    text: &'a [char],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn takes(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn skip(&mut self) {
        loop {
            match (self.peek(), self.text.get(self.at + 1)) {
                (Some(space), _) if space.is_whitespace() || space == '\u{feff}' => self.at += 1,
                (Some('#'), _) | (Some('/'), Some('/')) => {
                    while self.peek().is_some_and(|letter| letter != '\n') {
                        self.at += 1;
                    }
                }
                (Some('/'), Some('*')) => {
                    self.at += 2;
                    while self.at < self.text.len() && !self.text[self.at..].starts_with(&['*', '/']) {
                        self.at += 1;
                    }
                    self.at += 2;
                }
                _ => return,
            }
        }
    }

    fn value(&mut self) -> Option<Json> {
        self.skip();
        self.depth += 1;
        if self.depth > 500 {
            return None;
        }
        let value = match self.peek()? {
            '{' => self.object(),
            '[' => self.list(),
            quote @ ('"' | '\'') => self.string(quote).map(Json::Text),
            _ => self.word(),
        };
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Option<Json> {
        self.at += 1;
        let mut members = Vec::new();
        loop {
            self.skip();
            match self.peek()? {
                '}' => {
                    self.at += 1;
                    return Some(Json::Object(members));
                }
                ',' => self.at += 1,
                letter => {
                    let name = match letter {
                        '"' | '\'' => self.string(letter)?,
                        _ => self.bare()?,
                    };
                    self.skip();
                    self.takes(':').then_some(())?;
                    members.push((name, self.value()?));
                }
            }
        }
    }

    fn list(&mut self) -> Option<Json> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip();
            match self.peek()? {
                ']' => {
                    self.at += 1;
                    return Some(Json::List(items));
                }
                ',' => self.at += 1,
                _ => items.push(self.value()?),
            }
        }
    }

    fn bare(&mut self) -> Option<String> {
        let from = self.at;
        while self
            .peek()
            .is_some_and(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '+' | '.' | '$'))
        {
            self.at += 1;
        }
        (self.at > from).then(|| self.text[from..self.at].iter().collect())
    }

    fn word(&mut self) -> Option<Json> {
        let word = self.bare()?;
        Some(match &*word {
            "true" | "True" => Json::Bool(true),
            "false" | "False" => Json::Bool(false),
            "null" | "None" | "NaN" => Json::Null,
            _ => {
                let number = word.starts_with(|first: char| first.is_ascii_digit() || "+-.I".contains(first));
                number.then_some(Json::Number(word))?
            }
        })
    }

    fn string(&mut self, quote: char) -> Option<String> {
        self.at += 1;
        let mut units = Vec::new();
        loop {
            let letter = self.peek()?;
            self.at += 1;
            match letter {
                letter if letter == quote => {
                    return Some(
                        char::decode_utf16(units).map(|letter| letter.unwrap_or('\u{fffd}')).collect(),
                    );
                }
                '\\' => {
                    let escaped = self.peek()?;
                    self.at += 1;
                    units.push(match escaped {
                        'u' => {
                            let digits: String = self.text.get(self.at..self.at + 4)?.iter().collect();
                            self.at += 4;
                            u16::from_str_radix(&digits, 16).ok()?
                        }
                        'n' => 0x0a,
                        't' => 0x09,
                        'r' => 0x0d,
                        'b' => 0x08,
                        'f' => 0x0c,
                        other => u16::try_from(u32::from(other)).unwrap_or(0xfffd),
                    });
                }
                letter => units.extend(letter.encode_utf16(&mut [0; 2]).iter()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models(body: &[u8]) -> Vec<String> {
        let json = Json::read(body).expect("it is read");
        json.texts(&["model"]).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn every_parser_finds_the_model_that_it_would_find() {
        assert_eq!(models(br#"{"model":"a","MODEL":"b"}"#), ["a", "b"]);
        assert_eq!(models(br#"{"model":"a","model":"b"}"#), ["a", "b"]);
        assert_eq!(models(b"{\"\\u006dodel\":\"a\"}"), ["a"]);
        assert_eq!(models(b"\xef\xbb\xbf{'model':'a',} trailing"), ["a"]);
        assert_eq!(models(b"/* c */ {model: \"a\" // x\n}{\"model\":\"b\"}"), ["a"]);
        let wide: Vec<u8> = "{\"model\":\"a\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(models(&wide), ["a"]);
    }

    #[test]
    fn names_are_the_same_as_for_go_and_for_protobuf() {
        let json = Json::read("{\"max_to\u{212a}ens\":7,\"maxOutputTokens\":9}".as_bytes()).expect("read");
        assert_eq!(json.member("max_tokens", Lookup::Folded).and_then(Json::number), Some(7.0));
        assert_eq!(json.member("max_output_tokens", Lookup::Protobuf).and_then(Json::number), Some(9.0));
        assert_eq!(json.member("max_tokens", Lookup::Last), None);
    }

    #[test]
    fn what_nobody_reads_is_nothing() {
        for body in ["", "{", "{\"a\":}", "\"open", "@"] {
            assert_eq!(Json::read(body.as_bytes()), None, "{body}");
        }
    }
}
