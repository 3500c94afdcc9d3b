//! Decides what may stand in the members that matter, in any dialect.

use core::ops::Range;

use super::error::LlmRequestError;
use super::input::Item;
use super::limit::Limits;
use super::spelling::{is_alike, may_name_model, may_raise};
use crate::base::text::{LABEL_BYTES, Label};
use crate::dialect::Endpoint;
use crate::dialect::member::{Member, SETTINGS};
use crate::json::{Shape, Sink, Value, count, unescape};

/// Where the wish for usage stands in the body, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum UsageAt {
    /// Nowhere.
    #[default]
    Absent,
    /// `stream_options` is there without the wish: the end of its opening brace.
    Options(usize),
    /// A value that can be replaced: `include_usage`, or `stream_options` if it is not an object.
    Value(Range<usize>, &'static str),
}

/// What the scanner found.
#[derive(Default)]
pub(super) struct Members {
    pub(super) seen: u64,
    /// A zero is no limit.
    pub(super) zero_is_none: bool,
    /// Where the model's name stands again, as it is written, and what it says.
    pub(super) again: Vec<(Range<usize>, String)>,
    /// A member that names another model.
    pub(super) other_model: bool,
    /// Prompts that are completed.
    pub(super) prompts: u64,
    pub(super) stored_prompt: bool,
    /// Texts that are to be embedded.
    pub(super) embedded: u64,
    /// Something next to such a text, or in its place, that makes something else of the request.
    pub(super) not_embedded: bool,
    pub(super) stored_state: bool,
    /// Where ids of what the provider keeps stand, with their quotes.
    pub(super) stored_ids: Vec<Range<usize>>,
    pub(super) item: Item,
    pub(super) background: bool,
    pub(super) deferred: bool,
    pub(super) best_of: Option<u64>,
    pub(super) completions: Option<u64>,
    /// The first member that nobody knows and that could raise what is used.
    pub(super) may_raise: Option<Label>,
    pub(super) speed: Option<Label>,
    pub(super) inference_geo: Option<Label>,
    pub(super) search_context_size: Option<Label>,
    /// A limit is there in a spelling that not all who serve this API read.
    pub(super) limited_otherwise: bool,
    pub(super) error: Option<LlmRequestError>,
    pub(super) object: bool,
    pub(super) start: usize,
    pub(super) model: Option<String>,
    pub(super) model_at: Option<Range<usize>>,
    pub(super) stream: Option<bool>,
    pub(super) include_usage: bool,
    pub(super) usage_at: UsageAt,
    pub(super) limits: Limits,
    pub(super) choices: Option<u64>,
    /// Where the user is named, without the quotes.
    pub(super) user: Option<Range<usize>>,
    pub(super) safety_identifier: Option<Range<usize>>,
    pub(super) user_id: Option<Range<usize>>,
    pub(super) service_tier: Option<Label>,
}

impl Members {
    /// How many answers are made: what multiplies, multiplied.
    pub(super) fn answers(&self, endpoint: Endpoint) -> u64 {
        let each = self
            .choices
            .unwrap_or(1)
            .max(self.best_of.unwrap_or(1))
            .max(self.completions.unwrap_or(1))
            .max(1);
        // Elsewhere a prompt is something else.
        let completes = matches!(endpoint, Endpoint::Completions | Endpoint::Configured);
        if completes { each.saturating_mul(self.prompts.max(1)) } else { each }
    }

    fn wrong(&mut self, member: Member, kind: &'static str) {
        self.error.get_or_insert(LlmRequestError::WrongKind(member.name(), kind));
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
    const WANTS_NAMES: bool = true;

    fn other_name(&mut self, inside: &'static Shape<Member>, name: &[u8]) {
        // These are the caller's own.
        if inside.name() == "metadata" {
            return;
        }
        let Some(name) = unescape(name) else { return };
        // What changes nothing may be read by some and not by others: Gemini's names have two spellings.
        let mut matters = inside.names().filter(|(_, slot)| *slot != Some(Member::Harmless));
        if let Some((known, _)) = matters.find(|(known, _)| is_alike(&name, known)) {
            self.error.get_or_insert(LlmRequestError::Misspelled(known));
        }
        let mut embeds = inside.names().filter(|(_, slot)| *slot == Some(Member::EmbeddedText));
        self.not_embedded |= inside.name() == "parameters" || embeds.next().is_some();
        // Of the elements of lists some name a model, such as tools; messages say what they like.
        let may_name = inside.name() != "[]" || inside.names().any(|(known, _)| known == "model");
        self.other_model |= may_name && may_name_model(&name);
        if SETTINGS.contains(&inside.name()) && self.may_raise.is_none() && may_raise(&name) {
            self.may_raise = Label::from_bytes(name.as_bytes());
        }
    }

    fn value(&mut self, member: Member, value: Value<'_>, span: Range<u64>) {
        let member = if member == Member::MaxOutputOtherwise {
            self.limited_otherwise = true;
            Member::MaxOutput
        } else {
            member
        };
        let bit = 1u64 << (member as u32);
        if self.seen & bit != 0 && !member.repeats() {
            self.error.get_or_insert(LlmRequestError::Duplicate(member.name()));
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
            (Member::NumPredict | Member::NPredict, value) => {
                let allows = whole_count(value, &at).filter(|&tokens| tokens > 0);
                let lifts = allows.is_none() && matches!(value, Value::Number(_));
                self.limits.found(member, at, allows, lifts);
            }
            (Member::GenerationConfig | Member::InferenceConfig | Member::Options, value) => {
                self.limits.container(member, at, value == Value::Object);
            }
            (
                Member::MaxTokens
                | Member::MaxCompletionTokens
                | Member::MaxOutputTokens
                | Member::MaxNewTokens
                | Member::MaxGenLen
                | Member::MaxTokensToSample
                | Member::MaxTokenCount
                | Member::MaxOutput
                | Member::MaxOutputOtherwise
                | Member::MaxInference,
                value,
            ) => {
                let allows = self.count(member, value, &at);
                let none = self.zero_is_none && allows == Some(0);
                self.limits.found(member, at, allows.filter(|_| !none), none);
            }
            (Member::ThinkingBudget, value) => self.limits.thinks(whole_count(value, &at), at),
            (Member::BestOf, value) => self.best_of = self.count(member, value, &at),
            (Member::Completions, value) => self.completions = self.count(member, value, &at),
            (Member::ModelAgain, Value::Text { raw, length }) if length == raw.len() as u64 => {
                match unescape(raw) {
                    Some(model) => self.again.push((at, model)),
                    None => self.wrong(member, "the name of a model"),
                }
            }
            (Member::ModelAgain, Value::Null) => {}
            (Member::ModelAgain, _) => self.wrong(member, "a string of at most 256 bytes"),
            // Of an element that is an object, its own members say it.
            (Member::OtherModel, Value::Null | Value::Object)
            | (Member::OtherModels, Value::Null | Value::Array { empty: true }) => {}
            (Member::OtherModel | Member::OtherModels, _) => self.other_model = true,
            (Member::PromptPart, Value::Number(_)) => {}
            (Member::PromptPart, _) => self.prompts += 1,
            (Member::PromptId, Value::Null) => {}
            (Member::PromptId, _) => self.stored_prompt = true,
            (Member::Prompt, _) => {}
            (Member::StoredState | Member::Container, Value::Null)
            | (Member::StoredStates, Value::Null | Value::Array { empty: true })
            // Of an object its members say it.
            | (Member::Container, Value::Object) => {}
            (Member::StoredState | Member::Container, Value::Text { raw, length })
                if length == raw.len() as u64 =>
            {
                self.stored_ids.push(at);
            }
            (Member::StoredState | Member::StoredStates | Member::Container, _) => self.stored_state = true,
            (Member::ItemId, Value::Null) => {}
            (Member::ItemId, Value::Text { raw, length }) if length == raw.len() as u64 => self.item.id(Some(at)),
            (Member::ItemId, _) => self.item.id(None),
            (Member::ItemType, Value::Text { raw, .. }) => self.item.says(&unescape(raw).unwrap_or_default()),
            (Member::ItemType, _) => {}
            (Member::ItemContent, _) => self.item.content(),
            (Member::Item, _) => {
                let ids = self.item.end();
                self.stored_state |= ids.contains(&None);
                self.stored_ids.extend(ids.into_iter().flatten());
            }
            (Member::Harmless, _) => {}
            (Member::EmbeddedText, Value::Text { .. }) => self.embedded += 1,
            (Member::EmbeddedText, _) => self.not_embedded = true,
            (Member::EmbeddedTexts, Value::Array { empty: false }) => {}
            (Member::EmbeddedTexts, _) => self.not_embedded = true,
            (Member::EmbeddingParameters, _) => {}
            // Their members matter; of two of a name, servers take one or the other.
            (
                Member::WebSearchOptions
                | Member::TierObject
                | Member::PerformanceConfig
                | Member::TextGenerationConfig
                | Member::AdditionalFields,
                _,
            ) => {}
            (Member::Background | Member::Deferred, Value::Bool(false) | Value::Null) => {}
            // What is no truth value may be one to a lenient server. Images have a background too.
            (Member::Background, _) => self.background = true,
            (Member::Deferred, _) => self.deferred = true,
            (Member::N | Member::Candidates, value) => self.choices = self.count(member, value, &at),
            (Member::User, Value::Text { .. }) => self.user = Some(at.start + 1..at.end - 1),
            (Member::SafetyIdentifier, Value::Text { .. }) => {
                self.safety_identifier = Some(at.start + 1..at.end - 1);
            }
            (Member::UserId, Value::Text { .. }) => self.user_id = Some(at.start + 1..at.end - 1),
            (Member::User | Member::SafetyIdentifier | Member::UserId, _) => {}
            (
                Member::ServiceTier | Member::Speed | Member::InferenceGeo | Member::SearchContextSize,
                Value::Text { raw, length },
            ) if length <= LABEL_BYTES as u64 => {
                let label = unescape(raw).and_then(|text| Label::from_bytes(text.as_bytes()));
                if label.is_none() {
                    self.wrong(member, "a short string");
                }
                match member {
                    Member::ServiceTier => self.service_tier = label,
                    Member::Speed => self.speed = label,
                    Member::InferenceGeo => self.inference_geo = label,
                    _ => self.search_context_size = label,
                }
            }
            // How fast a voice speaks.
            (Member::Speed, Value::Number(_)) => {}
            // A number may stand for a word of protobuf's, and what it stands for nobody knows here.
            (
                Member::ServiceTier | Member::Speed | Member::InferenceGeo | Member::SearchContextSize,
                value,
            ) => {
                if value != Value::Null {
                    self.wrong(member, "a short string");
                }
            }
        }
    }
}
