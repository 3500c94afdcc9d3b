//! Decides which members of a JSON body matter, in any dialect, and what may stand in them.

use core::ops::Range;

use super::limit::Limits;
use super::{AskError, UsageAt};
use crate::json::{Shape, Sink, Value, count, unescape};
use crate::text::Label;

/// A member of the body that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
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
    GenerationConfig,
    MaxOutput,
    InferenceConfig,
    MaxInference,
    Options,
    NumPredict,
    Candidates,
    ServiceTier,
}

pub(super) static BODY: Shape<Member> = Shape::both(
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
        Shape::value("service_tier", Member::ServiceTier),
        // Gemini.
        Shape::both(
            "generationConfig",
            Member::GenerationConfig,
            &[
                Shape::value("maxOutputTokens", Member::MaxOutput),
                Shape::value("candidateCount", Member::Candidates),
            ],
        ),
        // Bedrock's Converse.
        Shape::both(
            "inferenceConfig",
            Member::InferenceConfig,
            &[Shape::value("maxTokens", Member::MaxInference)],
        ),
        // Ollama.
        Shape::both("options", Member::Options, &[Shape::value("num_predict", Member::NumPredict)]),
    ],
);

impl Member {
    /// What it is called, after the object that it stands in.
    pub(super) fn name(self) -> &'static str {
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
            Self::GenerationConfig => "generationConfig",
            Self::InferenceConfig => "inferenceConfig",
            Self::Options => "options",
            Self::MaxInference => "inferenceConfig.maxTokens",
            Self::NumPredict => "options.num_predict",
            Self::Candidates => "generationConfig.candidateCount",
            Self::ServiceTier => "service_tier",
        }
    }
}

/// What the scanner found.
#[derive(Default)]
pub(super) struct Members {
    pub(super) seen: u32,
    pub(super) error: Option<AskError>,
    pub(super) object: bool,
    pub(super) start: usize,
    pub(super) model: Option<String>,
    pub(super) model_at: Option<Range<usize>>,
    pub(super) stream: Option<bool>,
    pub(super) include_usage: bool,
    pub(super) usage_at: UsageAt,
    pub(super) limits: Limits,
    pub(super) choices: Option<u64>,
    pub(super) user: Option<Label>,
    pub(super) safety_identifier: Option<Label>,
    pub(super) user_id: Option<Label>,
    pub(super) service_tier: Option<Label>,
}

impl Members {
    fn wrong(&mut self, member: Member, kind: &'static str) {
        self.error.get_or_insert(AskError::WrongKind(member.name(), kind));
    }

    /// The count that `value` is, which stands at `at`.
    fn count(&mut self, member: Member, value: Value<'_>, at: &Range<usize>) -> Option<u64> {
        let tokens = whole_count(value, at);
        if tokens.is_none() && value != Value::Null {
            self.wrong(member, "a whole number that is not negative");
        }
        tokens
    }
}

/// A count. The scanner cuts long numbers, and the beginning of a number is another one: `1e0…05` is not `1e0`.
fn whole_count(value: Value<'_>, at: &Range<usize>) -> Option<u64> {
    let Value::Number(number) = value else { return None };
    if number.len() == at.len() { count(number) } else { None }
}

impl Sink<Member> for Members {
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
                    self.usage_at = UsageAt::Options(at.start + 1);
                }
            }
            (Member::StreamOptions, Value::Null) => {
                self.usage_at = UsageAt::Value(at, "{\"include_usage\":true}")
            }
            (Member::StreamOptions, _) => self.wrong(member, "an object"),
            // Minus one means without limit there, and so does zero.
            (Member::NumPredict, value) => {
                let allows = whole_count(value, &at).filter(|&tokens| tokens > 0);
                self.limits.found(member, at, allows);
            }
            (Member::GenerationConfig | Member::InferenceConfig | Member::Options, value) => {
                self.limits.container(member, at, value == Value::Object);
            }
            (
                Member::MaxTokens
                | Member::MaxCompletionTokens
                | Member::MaxOutputTokens
                | Member::MaxOutput
                | Member::MaxInference,
                value,
            ) => {
                let allows = self.count(member, value, &at);
                self.limits.found(member, at, allows);
            }
            (Member::N | Member::Candidates, value) => self.choices = self.count(member, value, &at),
            (
                Member::User | Member::SafetyIdentifier | Member::UserId | Member::ServiceTier,
                Value::Text { raw, .. },
            ) => {
                let label = Label::from_bytes(raw);
                match member {
                    Member::User => self.user = label,
                    Member::ServiceTier => self.service_tier = label,
                    Member::SafetyIdentifier => self.safety_identifier = label,
                    _ => self.user_id = label,
                }
            }
            (Member::User | Member::SafetyIdentifier | Member::UserId | Member::ServiceTier, _) => {}
        }
    }
}
