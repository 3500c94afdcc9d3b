//! Decides what a request asks for: which model, how much of it, and in what manner.
//!
//! Reads the few members that matter at the top level of the body and where they stand, so that a later
//! stage can change them without touching the rest: providers cache prompts by their bytes. A member
//! that matters and comes twice is refused, because parsers disagree on which one counts.
//!
//! Does not check anything else of the body: that is the provider's business.

mod form;
mod limit;
mod members;
mod unread;

use core::fmt;
use core::ops::Range;

use crate::dialect::{BodyForm, Endpoint, Served, Streams};
use crate::json::{Scanner, SyntaxError};
use crate::splice::Edit;
use crate::text::{Label, percent_decode, push_json_string};
pub use limit::CompletionMember;
use limit::Limits;
use members::{BODY, Members};

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
    /// The tier of service that is asked for, in the provider's word.
    pub service_tier: Option<Label>,
    /// Input tokens, estimated from the body's size.
    pub input_tokens: u64,
    model_at: Option<ModelAt>,
    usage_at: UsageAt,
    limits: Limits,
    /// The end of the brace that opens the body.
    first: usize,
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
    /// In a body that is not read, which stays as it is.
    Unread,
}

/// Where the wish for usage stands in the body, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum UsageAt {
    /// Nowhere.
    #[default]
    Absent,
    /// `stream_options` is there without the wish: the end of its opening brace.
    Options(usize),
    /// A value that can be replaced: `include_usage`, or `stream_options` if it is not an object.
    Value(Range<usize>, &'static str),
}

/// Why a body cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskError {
    /// There is none.
    Empty,
    /// Its length is not stated, and it is not read.
    NoLength,
    /// The header that names the model comes twice or names nothing.
    ModelHeader,
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
            Self::NoLength => f.write_str("The request must state its length (content-length)."),
            Self::ModelHeader => {
                f.write_str("The header that names the model must be there once and name one.")
            }
            Self::Syntax(error) => write!(f, "The request body {error}."),
            Self::NotAnObject => f.write_str("The request body must be a JSON object."),
            Self::NotAForm => f.write_str("The request body must be a complete multipart form."),
            Self::Duplicate(name) => write!(f, "The request body has '{name}' more than once."),
            Self::WrongKind(name, kind) => write!(f, "'{name}' must be {kind}."),
        }
    }
}

impl core::error::Error for AskError {}

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
        let mut members = Members::default();
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
            output_limit: members.limits.allowed(endpoint),
            choices: members.choices.unwrap_or(1).max(1),
            service_tier: members.service_tier,
            user: members.safety_identifier.or(members.user).or(members.user_id),
            input_tokens: (body.len() as u64).div_ceil(BYTES_PER_TOKEN),
            model_at: members.model_at.map(ModelAt::Body),
            usage_at: members.usage_at,
            limits: members.limits,
            first: members.start + 1,
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
            service_tier: None,
            user: None,
            input_tokens: (body.len() as u64).div_ceil(FORM_BYTES_PER_TOKEN),
            model_at: model_at.map(ModelAt::Form),
            usage_at: UsageAt::Absent,
            limits: Limits::default(),
            first: 0,
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
            Some(ModelAt::Path(_) | ModelAt::Unread) => None,
            Some(ModelAt::Body(at)) => Some(Edit::replace(at, text)),
            Some(ModelAt::Form(at)) => Some(Edit::replace(at, model)),
            None if self.endpoint.body() == BodyForm::Multipart => None,
            None => Some(Edit::member(self.first, "model", &text)),
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
            UsageAt::Absent => Edit::member(self.first, "stream_options", "{\"include_usage\":true}"),
            UsageAt::Options(at) => Edit::member(at, "include_usage", "true"),
            UsageAt::Value(at, text) => Edit::replace(at, text),
        }
    }

    /// The changes that make the body allow at most `tokens` output tokens for one choice; zero counts as
    /// one, because zero is refused by some providers and no limit to others. Empty if the body allows no
    /// more already.
    ///
    /// `None` if nothing is known here that limits the output of this endpoint. `completion_member` is what
    /// OpenAI's chat completions are limited by if the caller limits them by nothing.
    #[must_use]
    pub fn limit_output(&self, tokens: u64, completion_member: CompletionMember) -> Option<Vec<Edit>> {
        self.limits.lower(self.endpoint, self.first, tokens, completion_member)
    }
}

#[cfg(test)]
mod tests;
