//! Decides what an odd answer is: a good one of some dialect, and what is odd about it, and so what it must cost.

use super::endpoints::{ENDPOINTS, Endpoint, Shape};
use super::good::Counts;
use super::spoil;
use super::world::{BLUE, CHEAP, CHEAP_SENT};
use super::{Plan, chance, good, mark, pick};
use farebox_readers::dice::Dice;

/// What every token of an answer's text is: its pieces are counted in what a caller received.
pub const WORD: &str = " tram";

/// What an answer must cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Price {
    /// What the provider reported.
    Exact,
    /// At least that: another tier or model is named.
    AtLeast,
    /// At least what the caller received, and no more than was plausible.
    Seen,
    /// About what was held: nobody could read it.
    Held,
    /// Nothing: it is an error.
    Nothing,
}

/// An odd answer, and the request that it is for.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its number.
    pub number: u64,
    /// What is odd about it.
    pub what: Vec<&'static str>,
    /// What is asked for.
    pub endpoint: Endpoint,
    /// Whether a stream is asked for.
    pub streamed: bool,
    /// What the caller allows.
    pub limit: Option<u64>,
    /// Tokens that are served.
    pub counts: Counts,
    /// What it must cost.
    pub price: Price,
    /// The answer.
    pub answer: Answer,
    /// The caller hangs up after so many bytes of its body.
    pub leave: Option<usize>,
}

/// What a provider puts on the wire.
#[derive(Clone, Debug)]
pub struct Answer {
    /// As in 200.
    pub status: u16,
    /// Its content type, if it says one.
    pub content_type: Option<String>,
    /// Other headers.
    pub headers: Vec<(String, String)>,
    /// Its events, or its whole body as one.
    pub events: Vec<Vec<u8>>,
    /// How its body is framed.
    pub framing: Framing,
    /// Where it breaks off, in bytes of its body, and whether by a reset.
    pub broken: Option<(usize, bool)>,
    /// Whether 103 comes before it.
    pub hints: bool,
}

/// How a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By its length.
    Length,
    /// In chunks, an event each.
    Events,
    /// In chunks of so many bytes.
    Pieces(usize),
    /// In chunks, with trailers at the end.
    Trailers,
    /// By the end of the connection.
    Close,
}

impl Answer {
    /// Its body.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        self.events.concat()
    }
}

/// Bodies that are no events even when a stream is asked for.
const STREAMED: [Shape; 6] =
    [Shape::Chat, Shape::Responses, Shape::Messages, Shape::Cohere, Shape::Ollama, Shape::Gemini];

impl Case {
    /// The case with this number.
    #[must_use]
    pub fn of(plan: Plan, number: u64) -> Self {
        let mut dice = plan.dice(number ^ 0x5eed);
        let dice = &mut dice;
        let endpoint = loop {
            let endpoint = *pick(dice, &ENDPOINTS);
            if !endpoint.free {
                break endpoint;
            }
        };
        let path_streams = ["gemini stream", "converse stream"].contains(&endpoint.name);
        let asked = [
            "chat",
            "azure chat",
            "deployment",
            "completions",
            "responses",
            "azure responses",
            "messages",
            "cohere chat",
            "ollama chat",
            "ollama generate",
        ];
        let streamed = path_streams
            || (STREAMED.contains(&endpoint.answer) && asked.contains(&endpoint.name) && chance(dice, 65));
        let output = if endpoint.generates { 1 + dice.below(120) } else { 0 };
        let counts = (1 + dice.below(900), output);
        let limit =
            (endpoint.generates && !endpoint.form && chance(dice, 50)).then(|| output + dice.below(300));
        let words = vec![WORD; usize::try_from(output).expect("a few")];
        let (content_type, events) = if streamed {
            good::stream(endpoint.answer, CHEAP_SENT, &words, counts)
        } else {
            let answer = good::plain(endpoint.answer, CHEAP_SENT, &words.concat(), counts);
            ("application/json", vec![answer.to_string().into_bytes()])
        };
        let answer = Answer {
            status: 200,
            content_type: Some(content_type.to_owned()),
            headers: Vec::new(),
            events,
            framing: match dice.below(4) {
                0 => Framing::Length,
                1 => Framing::Close,
                _ => Framing::Events,
            },
            broken: None,
            hints: false,
        };
        let (what, price, leave) = (Vec::new(), Price::Exact, None);
        let mut case = Self { number, what, endpoint, streamed, limit, counts, price, answer, leave };
        for _ in 0..1 + dice.below(2) {
            // What ends an answer comes last.
            if !matches!(case.price, Price::Exact | Price::AtLeast) {
                break;
            }
            spoil::odd(dice, &mut case);
        }
        case
    }

    /// Whether the answer's events are server-sent.
    #[must_use]
    pub fn sent_as_events(&self) -> bool {
        self.streamed
            && !self.what.contains(&"a JSON array")
            && !matches!(self.endpoint.answer, Shape::Ollama | Shape::Converse)
    }

    /// The request that it is for.
    #[must_use]
    pub fn request(&self) -> Vec<u8> {
        let endpoint = &self.endpoint;
        let mut members = endpoint.members(CHEAP, &mark(self.number));
        let mut add = |name: &str, value: String| {
            members.retain(|(known, _)| *known != format!("\"{name}\""));
            members.push((format!("\"{name}\""), value));
        };
        let asks = !["gemini stream", "converse stream"].contains(&endpoint.name);
        if self.streamed && asks {
            add("stream", "true".into());
            if endpoint.answer == Shape::Chat {
                add("stream_options", "{\"include_usage\":true}".into());
            }
        }
        if endpoint.answer == Shape::Responses {
            add("store", "false".into());
        }
        if let Some(limit) = self.limit {
            let (name, value) = match endpoint.answer {
                Shape::Responses => ("max_output_tokens", limit.to_string()),
                Shape::Gemini => ("generationConfig", format!("{{\"maxOutputTokens\":{limit}}}")),
                Shape::Converse => ("inferenceConfig", format!("{{\"maxTokens\":{limit}}}")),
                Shape::Ollama => ("options", format!("{{\"num_predict\":{limit}}}")),
                _ => ("max_tokens", limit.to_string()),
            };
            add(name, value);
        }
        let (kind, body) = if endpoint.form {
            let part = |name: &str, value: &str| {
                format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
            };
            let body = part("model", CHEAP) + &part("prompt", &mark(self.number)) + "--b--\r\n";
            ("multipart/form-data; boundary=b", body)
        } else {
            ("application/json", super::bodies::written(&members))
        };
        let mut path = endpoint.path_for(CHEAP);
        if endpoint.name == "gemini stream" && self.sent_as_events() && !self.what.contains(&"a JSON array") {
            path += "?alt=sse";
        }
        format!(
            "POST {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {BLUE}\r\ncontent-type: {kind}\r\n\
             x-farebox-workflow: {}\r\ncontent-length: {}\r\n\r\n{body}",
            mark(self.number),
            body.len()
        )
        .into_bytes()
    }
}

/// Something that happens to one of the events, at random.
pub fn some_event(dice: &mut Dice, events: &[Vec<u8>]) -> usize {
    usize::try_from(dice.below(events.len().max(1) as u64)).expect("an index")
}
