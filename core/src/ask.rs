//! Decides what a request asks for: which model, how much of it, and in what manner.
//!
//! Reads the few members that matter at the top level of the body and where they stand, so that a later
//! stage can change them without touching the rest: providers cache prompts by their bytes. A member
//! that matters and comes twice is refused, because parsers disagree on which one counts.
//!
//! Does not check anything else of the body: that is the provider's business.

mod form;

use core::fmt;
use core::ops::Range;

use crate::dialect::{BodyForm, Endpoint, Served, Streams};
use crate::json::{Scanner, Shape, Sink, SyntaxError, Value, count, unescape};
use crate::splice::Edit;
use crate::text::{Label, percent_decode, push_json_string};

/// Bytes of a JSON request that make one token, roughly: what is assumed before the provider has counted.
const BYTES_PER_TOKEN: u64 = 4;
/// The same for a form, which is mostly audio or pictures.
const FORM_BYTES_PER_TOKEN: u64 = 1_000;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What is to be done.
    pub endpoint: Endpoint,
    /// The model's name as the caller writes it.
    pub model: Option<String>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Whether the caller wants usage in the stream.
    pub wants_usage: bool,
    /// Most output tokens the caller allows for one choice.
    pub output_limit: Option<u64>,
    /// How many answers are to be made.
    pub choices: u64,
    /// The end user as the caller names it in the body.
    pub user: Option<Label>,
    /// Input tokens, estimated from the body's size.
    pub input_tokens: u64,
    model_at: Option<ModelAt>,
    usage_at: UsageAt,
    /// After the opening brace, and what must follow a member put there.
    first: (usize, &'static str),
}

/// Where the model's name stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ModelAt {
    /// In the path, percent-encoded.
    Path(Range<usize>),
    /// In the body, as a JSON string.
    Body(Range<usize>),
    /// In the body, as the part of a form.
    Form(Range<usize>),
}

/// Where the wish for usage stands in the body, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum UsageAt {
    /// Nowhere.
    #[default]
    Absent,
    /// `stream_options` is there without the wish: after its opening brace, and what must follow there.
    Options(usize, &'static str),
    /// A value that can be replaced: `include_usage`, or `stream_options` if it is not an object.
    Value(Range<usize>, &'static str),
}

/// Why a body cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskError {
    /// There is none.
    Empty,
    /// It is not JSON.
    Syntax(SyntaxError),
    /// It is JSON, but not an object.
    NotAnObject,
    /// It is no form.
    NotAForm,
    /// This member comes twice.
    Duplicate(&'static str),
    /// This member is not of this kind.
    WrongKind(&'static str, &'static str),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("The request has no body."),
            Self::Syntax(error) => write!(f, "The request body {error}."),
            Self::NotAnObject => f.write_str("The request body must be a JSON object."),
            Self::NotAForm => f.write_str("The request body must be a complete multipart form."),
            Self::Duplicate(name) => write!(f, "The request body has '{name}' more than once."),
            Self::WrongKind(name, kind) => write!(f, "'{name}' must be {kind}."),
        }
    }
}

impl core::error::Error for AskError {}

/// A member of the body that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Document,
    Model,
    Stream,
    StreamOptions,
    IncludeUsage,
    MaxTokens,
    MaxCompletionTokens,
    MaxOutputTokens,
    N,
    User,
    SafetyIdentifier,
    UserId,
    MaxOutput,
    MaxInference,
    NumPredict,
    Candidates,
}

static BODY: Shape<Member> = Shape::both(
    "",
    Member::Document,
    &[
        Shape::value("model", Member::Model),
        Shape::value("stream", Member::Stream),
        Shape::both(
            "stream_options",
            Member::StreamOptions,
            &[Shape::value("include_usage", Member::IncludeUsage)],
        ),
        Shape::value("max_tokens", Member::MaxTokens),
        Shape::value("max_completion_tokens", Member::MaxCompletionTokens),
        Shape::value("max_output_tokens", Member::MaxOutputTokens),
        Shape::value("n", Member::N),
        Shape::value("user", Member::User),
        Shape::value("safety_identifier", Member::SafetyIdentifier),
        Shape::inside("metadata", &[Shape::value("user_id", Member::UserId)]),
        // Gemini.
        Shape::inside(
            "generationConfig",
            &[
                Shape::value("maxOutputTokens", Member::MaxOutput),
                Shape::value("candidateCount", Member::Candidates),
            ],
        ),
        // Bedrock's Converse.
        Shape::inside("inferenceConfig", &[Shape::value("maxTokens", Member::MaxInference)]),
        // Ollama.
        Shape::inside("options", &[Shape::value("num_predict", Member::NumPredict)]),
    ],
);

impl Member {
    fn name(self) -> &'static str {
        match self {
            Self::Document => "",
            Self::Model => "model",
            Self::Stream => "stream",
            Self::StreamOptions => "stream_options",
            Self::IncludeUsage => "stream_options.include_usage",
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::MaxOutputTokens => "max_output_tokens",
            Self::N => "n",
            Self::User => "user",
            Self::SafetyIdentifier => "safety_identifier",
            Self::UserId => "metadata.user_id",
            Self::MaxOutput => "generationConfig.maxOutputTokens",
            Self::MaxInference => "inferenceConfig.maxTokens",
            Self::NumPredict => "options.num_predict",
            Self::Candidates => "generationConfig.candidateCount",
        }
    }
}

impl Ask {
    /// Reads a request to `served` at `path`, of which the body is of `content_type`.
    ///
    /// # Errors
    /// [`AskError`], to be shown to the caller.
    pub fn read(served: &Served, path: &[u8], content_type: &[u8], body: &[u8]) -> Result<Self, AskError> {
        if body.trim_ascii().is_empty() {
            return Err(AskError::Empty);
        }
        let mut ask = match served.endpoint.body() {
            BodyForm::Json => Self::read_json(served.endpoint, body)?,
            BodyForm::Multipart => Self::read_form(served.endpoint, content_type, body)?,
        };
        if let Some(at) = served.model_at.clone() {
            ask.model =
                path.get(at.clone()).map(percent_decode).and_then(|name| String::from_utf8(name).ok());
            ask.model_at = Some(ModelAt::Path(at));
            if ask.model.is_none() {
                return Err(AskError::WrongKind("model", "UTF-8 in the path"));
            }
        }
        Ok(ask)
    }

    fn read_json(endpoint: Endpoint, body: &[u8]) -> Result<Self, AskError> {
        let mut members = Members { body, ..Members::default() };
        let mut scanner = Scanner::new(&BODY);
        scanner
            .feed(body, &mut members)
            .and_then(|()| scanner.finish(&mut members))
            .map_err(AskError::Syntax)?;
        if !members.object {
            return Err(AskError::NotAnObject);
        }
        if let Some(error) = members.error {
            return Err(error);
        }
        let stream = match endpoint.streams() {
            Streams::IfAsked => members.stream.unwrap_or(false),
            Streams::UnlessDeclined => members.stream.unwrap_or(true),
            Streams::Always => true,
            Streams::Never => false,
        };
        Ok(Self {
            endpoint,
            model: members.model,
            stream,
            wants_usage: members.include_usage,
            output_limit: members.output_limit,
            choices: members.choices.unwrap_or(1).max(1),
            user: members.safety_identifier.or(members.user).or(members.user_id),
            input_tokens: (body.len() as u64).div_ceil(BYTES_PER_TOKEN),
            model_at: members.model_at.map(ModelAt::Body),
            usage_at: members.usage_at,
            first: after_brace(body, members.start),
        })
    }

    fn read_form(endpoint: Endpoint, content_type: &[u8], body: &[u8]) -> Result<Self, AskError> {
        let form = form::read(content_type, body)?;
        let (model, model_at) = form.model.unzip();
        Ok(Self {
            endpoint,
            model,
            stream: form.stream,
            wants_usage: false,
            output_limit: None,
            choices: form.choices.unwrap_or(1).max(1),
            user: None,
            input_tokens: (body.len() as u64).div_ceil(FORM_BYTES_PER_TOKEN),
            model_at: model_at.map(ModelAt::Form),
            usage_at: UsageAt::Absent,
            first: (0, ""),
        })
    }

    /// The change that makes the body ask for `model`. `None` if it does already, or if the path does.
    ///
    /// A form without a model stays without: the provider then says what it misses.
    #[must_use]
    pub fn name_model(&self, model: &str) -> Option<Edit> {
        if self.model.as_deref() == Some(model) {
            return None;
        }
        let mut text = String::new();
        push_json_string(&mut text, model);
        match self.model_at.clone() {
            Some(ModelAt::Path(_)) => None,
            Some(ModelAt::Body(at)) => Some(Edit { at, text }),
            Some(ModelAt::Form(at)) => Some(Edit { at, text: model.to_owned() }),
            None if self.endpoint.body() == BodyForm::Multipart => None,
            None => Some(self.insert(format!("\"model\":{text}"))),
        }
    }

    /// The path that asks for `model`, if the path names one and it is another.
    #[must_use]
    pub fn path_naming(&self, path: &[u8], model: &str) -> Option<Vec<u8>> {
        let Some(ModelAt::Path(at)) = self.model_at.clone() else { return None };
        if self.model.as_deref() == Some(model) {
            return None;
        }
        let mut changed = path.get(..at.start)?.to_vec();
        for byte in model.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'@') {
                changed.push(byte);
            } else {
                changed.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
        }
        changed.extend_from_slice(path.get(at.end..)?);
        Some(changed)
    }

    /// The change that makes a stream report usage.
    #[must_use]
    pub fn ask_for_usage(&self) -> Edit {
        match self.usage_at.clone() {
            UsageAt::Absent => self.insert("\"stream_options\":{\"include_usage\":true}".into()),
            UsageAt::Options(at, follow) => {
                Edit { at: at..at, text: format!("\"include_usage\":true{follow}") }
            }
            UsageAt::Value(at, text) => Edit { at, text: text.into() },
        }
    }

    fn insert(&self, member: String) -> Edit {
        let (at, follow) = self.first;
        Edit { at: at..at, text: member + follow }
    }
}

/// The place after the opening brace at `start`, and what must follow a member that is put there.
fn after_brace(body: &[u8], start: usize) -> (usize, &'static str) {
    let inside = body.get(start + 1..).unwrap_or_default().trim_ascii_start();
    (start + 1, if inside.starts_with(b"}") { "" } else { "," })
}

/// What the scanner found.
#[derive(Default)]
struct Members<'b> {
    body: &'b [u8],
    seen: u32,
    error: Option<AskError>,
    object: bool,
    start: usize,
    model: Option<String>,
    model_at: Option<Range<usize>>,
    stream: Option<bool>,
    include_usage: bool,
    usage_at: UsageAt,
    output_limit: Option<u64>,
    choices: Option<u64>,
    user: Option<Label>,
    safety_identifier: Option<Label>,
    user_id: Option<Label>,
}

impl Members<'_> {
    fn wrong(&mut self, member: Member, kind: &'static str) {
        self.error.get_or_insert(AskError::WrongKind(member.name(), kind));
    }

    fn count(&mut self, member: Member, value: Value<'_>) -> Option<u64> {
        match value {
            Value::Number(number) if count(number).is_some() => count(number),
            Value::Null => None,
            _ => {
                self.wrong(member, "a whole number that is not negative");
                None
            }
        }
    }
}

impl Sink<Member> for Members<'_> {
    fn value(&mut self, member: Member, value: Value<'_>, span: Range<u64>) {
        let bit = 1u32 << (member as u32);
        if self.seen & bit != 0 {
            self.error.get_or_insert(AskError::Duplicate(member.name()));
        }
        self.seen |= bit;
        // A body is in memory, so its offsets fit.
        let at = usize::try_from(span.start).unwrap_or(0)..usize::try_from(span.end).unwrap_or(0);
        match (member, value) {
            (Member::Document, Value::Object) => {
                self.object = true;
                self.start = at.start;
            }
            (Member::Document, _) => {}
            (Member::Model, Value::Text { raw, length }) if length == raw.len() as u64 => match unescape(raw)
            {
                Some(model) if !model.is_empty() => {
                    self.model = Some(model);
                    self.model_at = Some(at);
                }
                _ => self.wrong(member, "the name of a model"),
            },
            (Member::Model, _) => self.wrong(member, "a string of at most 256 bytes"),
            (Member::Stream, Value::Bool(stream)) => self.stream = Some(stream),
            (Member::Stream, Value::Null) => {}
            (Member::Stream, _) => self.wrong(member, "true or false"),
            (Member::IncludeUsage, Value::Bool(true)) => {
                self.include_usage = true;
                self.usage_at = UsageAt::Value(at, "true");
            }
            (Member::IncludeUsage, Value::Bool(false) | Value::Null) => {
                self.usage_at = UsageAt::Value(at, "true")
            }
            (Member::IncludeUsage, _) => self.wrong(member, "true or false"),
            (Member::StreamOptions, Value::Object) => {
                if self.usage_at == UsageAt::Absent {
                    let (at, follow) = after_brace(self.body, at.start);
                    self.usage_at = UsageAt::Options(at, follow);
                }
            }
            (Member::StreamOptions, Value::Null) => {
                self.usage_at = UsageAt::Value(at, "{\"include_usage\":true}")
            }
            (Member::StreamOptions, _) => self.wrong(member, "an object"),
            // Minus one means without limit there.
            (Member::NumPredict, Value::Number(number)) => {
                self.output_limit = count(number).max(self.output_limit)
            }
            (Member::NumPredict, _) => {}
            (
                Member::MaxTokens
                | Member::MaxCompletionTokens
                | Member::MaxOutputTokens
                | Member::MaxOutput
                | Member::MaxInference,
                value,
            ) => {
                self.output_limit = self.count(member, value).max(self.output_limit);
            }
            (Member::N | Member::Candidates, value) => self.choices = self.count(member, value),
            (Member::User | Member::SafetyIdentifier | Member::UserId, Value::Text { raw, .. }) => {
                let label = Label::from_bytes(raw);
                match member {
                    Member::User => self.user = label,
                    Member::SafetyIdentifier => self.safety_identifier = label,
                    _ => self.user_id = label,
                }
            }
            (Member::User | Member::SafetyIdentifier | Member::UserId, _) => {}
        }
    }
}

#[cfg(test)]
mod tests;
