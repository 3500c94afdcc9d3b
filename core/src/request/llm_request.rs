//! Decides what a request asks for: which model, how much of it, and in what manner.
//!
//! Reads the few members that matter at the top level of the body and where they stand, so that a later
//! stage can change them without touching the rest: providers cache prompts by their bytes. A member
//! that matters and comes twice is refused, because parsers disagree on which one counts.
//!
//! Does not check anything else of the body: that is the provider's business.

mod again;
mod documented;
mod error;
mod form;
mod input;
mod limit;
mod members;
mod spelling;
mod unread;

use core::ops::Range;

use crate::base::edits::Edit;
use crate::base::text::{Label, percent_decode, push_json_string};
use crate::base::tokens::BYTES_PER_TOKEN;
use crate::dialect::{BodyForm, Dialect, Endpoint, Served, Streams};
use crate::json::Scanner;
use crate::pricing::ServiceTier;
use crate::request::attribution::BodyAttribution;
use crate::request::signed_id;
use again::Again;
pub use documented::{documented_body, documented_head};
pub use error::LlmRequestError;
pub use limit::CompletionMember;
use limit::Limits;
use members::{Members, UsageAt};

/// Bytes of a form that make one token: it is mostly audio or images.
const FORM_BYTES_PER_TOKEN: u64 = 1_000;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LlmRequest {
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
    /// The end user as the caller names it in the body, and perhaps its session.
    pub attribution: BodyAttribution,
    /// The tier of service that is asked for, in the provider's word.
    pub service_tier: Option<Label>,
    /// The speed that is asked for.
    pub speed: Option<Label>,
    /// Where it is to be made.
    pub inference_geo: Option<Label>,
    /// How much is to be searched for it.
    pub search_context_size: Option<Label>,
    /// It wants to be answered later.
    pub background: bool,
    /// It names a prompt that the provider keeps, which may name a model.
    pub stored_prompt: bool,
    /// It goes on from what the provider keeps of somebody: an answer, a conversation, a file.
    pub stored_state: bool,
    /// Where in the body it names such things by ids, without their quotes.
    pub stored_ids: Vec<Range<usize>>,
    /// Where in the body stands what may be an id that was bound here: those and others.
    pub bound_ids: Vec<Range<usize>>,
    /// It names other models besides its own.
    pub other_models: bool,
    /// A member that nobody knows and that could raise what is used.
    pub may_raise: Option<Label>,
    /// Its limit is there in a spelling that not all who serve this API read.
    pub limited_otherwise: bool,
    /// Input tokens, estimated from the body's size.
    pub input_tokens: u64,
    model_at: Option<ModelAt>,
    /// Where the path's model is named again.
    again: Vec<Again>,
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
    /// In no part of a form, of which each begins with this delimiter.
    NoPart(String),
    /// In a body that is not read, which stays as it is.
    Unread,
}

impl LlmRequest {
    /// Reads a request to `served` at `path`, of which the body is of `content_type`.
    ///
    /// # Errors
    /// [`LlmRequestError`], to be shown to the caller.
    pub fn read(
        served: &Served,
        path: &[u8],
        content_type: &[u8],
        body: &[u8],
    ) -> Result<Self, LlmRequestError> {
        let request = Self::read_sent(served, path, content_type, body)?;
        let differs = request.again.iter().any(|again| Some(&*again.name) != request.model.as_deref());
        if differs { Err(LlmRequestError::OtherModel) } else { Ok(request) }
    }

    /// The same of a request that was sent already, so that its body may name what it was renamed to.
    ///
    /// # Errors
    /// [`LlmRequestError`].
    pub fn read_sent(
        served: &Served,
        path: &[u8],
        content_type: &[u8],
        body: &[u8],
    ) -> Result<Self, LlmRequestError> {
        if body.trim_ascii().is_empty() {
            return Err(LlmRequestError::Empty);
        }
        // Some providers take as JSON what others take as forms.
        let is_json =
            content_type.get(..16).is_some_and(|start| start.eq_ignore_ascii_case(b"application/json"));
        let mut request = match served.endpoint.body() {
            BodyForm::Multipart if is_json => Self::read_json(served.endpoint, body)?,
            BodyForm::Json => Self::read_json(served.endpoint, body)?,
            BodyForm::Multipart => Self::read_form(served.endpoint, content_type, body)?,
        };
        if let Some(at) = served.model_at.clone() {
            // Azure's SDK names the deployment in the body too.
            if let (Some(ModelAt::Body(at)), Some(model)) = (request.model_at.take(), request.model.take()) {
                request.again.push(Again::new(at, &model));
            }
            request.model =
                path.get(at.clone()).map(percent_decode).and_then(|name| String::from_utf8(name).ok());
            request.model_at = Some(ModelAt::Path(at));
            if request.model.is_none() {
                return Err(LlmRequestError::WrongKind("model", "UTF-8 in the path"));
            }
        }
        Ok(request)
    }

    fn read_json(endpoint: Endpoint, body: &[u8]) -> Result<Self, LlmRequestError> {
        // Anthropic's zero is one: it only fills a cache.
        let zero_is_none = endpoint.dialect() != Dialect::Anthropic;
        let mut members = Members { zero_is_none, ..Members::default() };
        let mut scanner = Scanner::new(endpoint.request());
        scanner
            .feed(body, &mut members)
            .and_then(|()| scanner.finish(&mut members))
            .map_err(LlmRequestError::Syntax)?;
        if !members.object {
            return Err(LlmRequestError::NotAnObject);
        }
        if let Some(error) = members.error {
            return Err(error);
        }
        if endpoint == Endpoint::Predict && (members.not_embedded || members.embedded == 0) {
            return Err(LlmRequestError::NotEmbeddings);
        }
        let stream = match endpoint.streams() {
            Streams::IfAsked => members.stream.unwrap_or(false),
            Streams::UnlessDeclined => members.stream.unwrap_or(true),
            Streams::Always => true,
            Streams::Never => false,
        };
        let choices = members.answers(endpoint);
        // Where they stand: some are longer than what the scanner keeps.
        let users = [members.safety_identifier.take(), members.user.take(), members.user_id.take()];
        let attribution =
            users.into_iter().flatten().filter_map(|at| body.get(at)).map(BodyAttribution::read);
        let attribution = attribution.reduce(BodyAttribution::or).unwrap_or_default();
        let goes_on =
            matches!(endpoint, Endpoint::Responses | Endpoint::CompactResponse | Endpoint::CountInput);
        let bound_ids = if goes_on { signed_id::candidates(body) } else { Vec::new() };
        Ok(Self {
            endpoint,
            model: members.model,
            stream,
            wants_usage: members.include_usage,
            output_limit: members.limits.allowed(endpoint),
            choices,
            service_tier: members.service_tier,
            speed: members.speed,
            inference_geo: members.inference_geo,
            search_context_size: members.search_context_size,
            background: members.deferred
                || members.background && matches!(endpoint, Endpoint::Responses | Endpoint::Configured),
            stored_prompt: members.stored_prompt && endpoint == Endpoint::Responses,
            stored_state: members.stored_state,
            stored_ids: members.stored_ids.into_iter().map(|at| at.start + 1..at.end - 1).collect(),
            bound_ids,
            other_models: members.other_model,
            may_raise: members.may_raise,
            limited_otherwise: members.limited_otherwise,
            attribution,
            input_tokens: (body.len() as u64).div_ceil(BYTES_PER_TOKEN),
            model_at: members.model_at.map(ModelAt::Body),
            again: members.again.into_iter().map(|(at, name)| Again::new(at, &name)).collect(),
            usage_at: members.usage_at,
            limits: members.limits,
            first: members.start + 1,
        })
    }

    fn read_form(endpoint: Endpoint, content_type: &[u8], body: &[u8]) -> Result<Self, LlmRequestError> {
        let form = form::read(content_type, body)?;
        let (model, model_at) = match form.model {
            Some((model, at)) => (Some(model), ModelAt::Form(at)),
            None => (None, ModelAt::NoPart(form.delimiter)),
        };
        Ok(Self {
            model,
            stream: form.stream.unwrap_or(false),
            may_raise: form.may_raise,
            choices: form.choices.unwrap_or(1).max(1),
            input_tokens: (body.len() as u64).div_ceil(FORM_BYTES_PER_TOKEN),
            model_at: Some(model_at),
            ..Self::nothing(endpoint)
        })
    }

    /// A request that asks for nothing in particular.
    fn nothing(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            model: None,
            stream: false,
            wants_usage: false,
            output_limit: None,
            choices: 1,
            service_tier: None,
            speed: None,
            inference_geo: None,
            search_context_size: None,
            background: false,
            stored_prompt: false,
            stored_state: false,
            stored_ids: Vec::new(),
            bound_ids: Vec::new(),
            other_models: false,
            may_raise: None,
            limited_otherwise: false,
            attribution: BodyAttribution::default(),
            input_tokens: 0,
            model_at: None,
            again: Vec::new(),
            usage_at: UsageAt::Absent,
            limits: Limits::default(),
            first: 0,
        }
    }

    /// The changes that make the body ask for `model`. Empty if it does already, or if the path alone does.
    #[must_use]
    pub fn name_model(&self, model: &str) -> Vec<Edit> {
        let quoted = |start: &str| {
            let mut text = String::new();
            push_json_string(&mut text, &[start, model].concat());
            text
        };
        let again = self.again.iter().filter(|again| again.name != model);
        let again = again.map(|again| Edit::replace(again.at.clone(), quoted(again.start)));
        let edit = match self.model_at.clone() {
            _ if self.model.as_deref() == Some(model) => None,
            Some(ModelAt::Path(_) | ModelAt::Unread) => None,
            Some(ModelAt::Body(at)) => Some(Edit::replace(at, quoted(""))),
            Some(ModelAt::Form(at)) => Some(Edit::replace(at, model)),
            Some(ModelAt::NoPart(delimiter)) => {
                Some(Edit::replace(0..0, form::model_part(&delimiter, model)))
            }
            // What the provider keeps names its own model, and what moderates has one of its own.
            None if self.stored_prompt || self.endpoint == Endpoint::Moderations => None,
            None => Some(Edit::member(self.first, "model", &quoted(""))),
        };
        again.chain(edit).collect()
    }

    /// Whether its body is not read.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.model_at == Some(ModelAt::Unread)
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

    /// The tier that it asks for, in the provider's word: a speed that costs more is one.
    #[must_use]
    pub fn tier(&self) -> Option<&Label> {
        let speed = self
            .speed
            .as_ref()
            .filter(|speed| ServiceTier::parse(speed.as_str()) != Some(ServiceTier::Standard));
        speed.or(self.service_tier.as_ref())
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

    /// Tokens that thinking has of any limit, so that a lower one leaves nothing for the answer.
    #[must_use]
    pub fn least_thinking(&self) -> u64 {
        self.limits.least_thinking(self.endpoint)
    }
}

#[cfg(test)]
mod tests;
