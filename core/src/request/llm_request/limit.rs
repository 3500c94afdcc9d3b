//! Decides which members of a body limit how much one answer may say, and how such a limit is lowered.
//!
//! Every dialect has a name and a place of its own for it, and members of another dialect mean nothing.
//! What is no limit where one belongs, such as a null or Ollama's minus one, gives way to one; beside a
//! member that does limit, it is left alone, because OpenAI refuses a body that sets both of its members.
//!
//! Anthropic's models think within that limit, and a request whose budget for it is not below the limit is refused there, or
//! one below 1,024. So the budget is lowered with the limit, in proportion. A budget that was above the limit already is
//! the caller's own affair: with interleaved thinking it may be. Gemini's `thinkingBudget` counts within its limit too, but
//! nothing is refused for it, and each model has a least of its own: it is left as it is.
//!
//! Does not know how many tokens are affordable, and never raises a limit.

use core::ops::Range;

use crate::base::edits::Edit;
use crate::dialect::Endpoint;
use crate::dialect::member::Member;

/// The member that limits OpenAI's chat completions where the caller set none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompletionMember {
    /// `max_tokens`, which is all that most compatible servers know.
    MaxTokens,
    /// `max_completion_tokens`, which OpenAI and Azure want.
    MaxCompletionTokens,
}

/// The members of a body that may limit its output, of any dialect, and the objects they belong into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Limits {
    found: Vec<Found>,
    containers: Vec<Container>,
    /// Where the budget for thinking stands, and how much it is.
    thinking: Option<(Range<usize>, u64)>,
}

/// The smallest budget for thinking that Anthropic takes.
const LEAST_THINKING: u64 = 1_024;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    member: Member,
    at: Range<usize>,
    /// Tokens; `None` if it sets no limit.
    allows: Option<u64>,
    /// It says that there is no limit, whatever others say.
    lifts: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Container {
    name: &'static str,
    at: Range<usize>,
    object: bool,
}

/// Members that a server of OpenAI's dialect may read as a limit: each reads some of the others' too.
const READ_BY_SOME: &[Member] = &[
    Member::MaxTokens,
    Member::MaxCompletionTokens,
    Member::MaxOutputTokens,
    Member::NPredict,
    Member::MaxNewTokens,
];

/// The members that certainly limit what `endpoint` generates, the usual one first, and those that may.
fn limiting(endpoint: Endpoint) -> (&'static [Member], &'static [Member]) {
    match endpoint {
        Endpoint::ChatCompletions => (&[Member::MaxTokens, Member::MaxCompletionTokens], READ_BY_SOME),
        Endpoint::Completions => (&[Member::MaxTokens], READ_BY_SOME),
        Endpoint::Responses => (&[Member::MaxOutputTokens], READ_BY_SOME),
        Endpoint::Messages | Endpoint::RawPredict | Endpoint::StreamRawPredict => {
            (&[Member::MaxTokens], &[Member::NPredict, Member::MaxCompletionTokens])
        }
        Endpoint::CohereChat => (&[Member::MaxTokens], &[]),
        Endpoint::GenerateContent | Endpoint::StreamGenerateContent => (&[Member::MaxOutput], &[]),
        Endpoint::Converse | Endpoint::ConverseStream => {
            (&[Member::MaxInference], &[Member::MaxTokens, Member::MaxGenLen, Member::MaxNewTokens])
        }
        // Each family has its own, and refuses the others'.
        Endpoint::InvokeModel | Endpoint::InvokeModelStream => (
            &[
                Member::MaxTokens,
                Member::MaxInference,
                Member::MaxNewTokens,
                Member::MaxGenLen,
                Member::MaxTokensToSample,
                Member::MaxTokenCount,
            ],
            &[Member::MaxCompletionTokens],
        ),
        Endpoint::OllamaChat | Endpoint::OllamaGenerate => (&[Member::NumPredict], &[]),
        // Which of them counts there, nobody knows: they are read, and none is ever set.
        Endpoint::Configured => (READ_BY_SOME, &[]),
        Endpoint::Embeddings
        | Endpoint::Images
        | Endpoint::ImageEdits
        | Endpoint::Transcriptions
        | Endpoint::Speech
        | Endpoint::Moderations
        | Endpoint::Rerank
        | Endpoint::CountTokens
        | Endpoint::CountInput
        | Endpoint::CompactResponse
        | Endpoint::EmbedContent
        | Endpoint::Predict
        | Endpoint::CountContent
        | Endpoint::CohereEmbed
        | Endpoint::CohereRerank
        | Endpoint::OllamaEmbed => (&[], &[]),
    }
}

impl Limits {
    /// Takes down a member that may limit, which stands at `at` and allows so many tokens.
    /// `lifts`: it says that there is no limit.
    pub(super) fn found(&mut self, member: Member, at: Range<usize>, allows: Option<u64>, lifts: bool) {
        self.found.push(Found { member, at, allows, lifts });
    }

    /// Takes down what stands at `at` where such members belong into, and whether it is an object.
    pub(super) fn container(&mut self, member: Member, at: Range<usize>, object: bool) {
        self.containers.push(Container { name: member.name(), at, object });
    }

    /// Takes down a budget for thinking, which stands at `at`.
    pub(super) fn thinks(&mut self, budget: Option<u64>, at: Range<usize>) {
        self.thinking = budget.filter(|&budget| budget >= LEAST_THINKING).map(|budget| (at, budget));
    }

    /// Tokens of a limit of `endpoint` that only thinking has, however much the limit is lowered.
    pub(super) fn least_thinking(&self, endpoint: Endpoint) -> u64 {
        let bounded = |(_, budget): &&(Range<usize>, u64)| {
            self.allowed(endpoint).is_none_or(|allowed| *budget < allowed)
        };
        self.thinking.as_ref().filter(bounded).map_or(0, |_| LEAST_THINKING)
    }

    /// The edit that makes the budget for thinking fit a limit of `tokens`: the same part of it as before.
    fn think_less(&self, endpoint: Endpoint, tokens: u64) -> Option<Edit> {
        let (at, budget) = self.thinking.as_ref()?;
        let less = match self.allowed(endpoint) {
            Some(allowed) if *budget >= allowed || tokens >= allowed => return None,
            Some(allowed) => {
                u64::try_from(u128::from(*budget) * u128::from(tokens) / u128::from(allowed)).ok()?
            }
            None if *budget < tokens => return None,
            // Of a limit that the caller did not know a quarter is left for the answer.
            None => tokens - tokens / 4 - 1,
        };
        Some(Edit::replace(at.clone(), less.max(LEAST_THINKING).to_string()))
    }

    /// The most tokens that the body allows `endpoint`.
    pub(super) fn allowed(&self, endpoint: Endpoint) -> Option<u64> {
        let certain = |found: &Found| found.allows.is_some() && limiting(endpoint).0.contains(&found.member);
        if self.of(endpoint).any(|found| found.lifts) || !self.of(endpoint).any(certain) {
            return None;
        }
        self.of(endpoint).filter_map(|found| found.allows).max()
    }

    /// The edits that make the body allow `endpoint` at most `tokens`; see [`super::LlmRequest::limit_output`].
    /// `first` is the end of the brace that opens the body.
    pub(super) fn lower(
        &self,
        endpoint: Endpoint,
        first: usize,
        tokens: u64,
        completion_member: CompletionMember,
    ) -> Option<Vec<Edit>> {
        let member = self.to_set(endpoint, completion_member)?;
        let tokens = tokens.max(1);
        let above = |found: &&Found| found.lifts || found.allows.is_some_and(|allows| allows > tokens);
        let lowered = self.of(endpoint).filter(above);
        let mut edits: Vec<Edit> =
            lowered.map(|found| Edit::replace(found.at.clone(), tokens.to_string())).collect();
        let certain = |found: &Found| limiting(endpoint).0.contains(&found.member);
        edits.extend(self.think_less(endpoint, tokens));
        // What was lifted is a limit now.
        if !self.of(endpoint).any(|found| certain(found) && (found.lifts || found.allows.is_some())) {
            edits.push(match self.found.iter().find(|found| found.member == member) {
                Some(null) => Edit::replace(null.at.clone(), tokens.to_string()),
                None => self.set(member, first, tokens),
            });
        }
        Some(edits)
    }

    /// The member to be set if none limits `endpoint`. `None` if it has none, or nobody knows which.
    fn to_set(&self, endpoint: Endpoint, completion_member: CompletionMember) -> Option<Member> {
        match endpoint {
            Endpoint::Configured => None,
            Endpoint::ChatCompletions => Some(match completion_member {
                CompletionMember::MaxTokens => Member::MaxTokens,
                CompletionMember::MaxCompletionTokens => Member::MaxCompletionTokens,
            }),
            Endpoint::InvokeModel | Endpoint::InvokeModelStream
                if self
                    .containers
                    .iter()
                    .any(|container| container.name == Member::InferenceConfig.name()) =>
            {
                Some(Member::MaxInference)
            }
            _ => limiting(endpoint).0.first().copied(),
        }
    }

    /// The edit that puts a member which is not there into the object it belongs into, or both.
    fn set(&self, member: Member, first: usize, tokens: u64) -> Edit {
        let tokens = tokens.to_string();
        let Some((object, name)) = member.name().split_once('.') else {
            return Edit::member(first, member.name(), &tokens);
        };
        let whole = format!("{{\"{name}\":{tokens}}}");
        match self.containers.iter().find(|container| container.name == object) {
            Some(Container { object: true, at, .. }) => Edit::member(at.start + 1, name, &tokens),
            Some(other) => Edit::replace(other.at.clone(), whole),
            None => Edit::member(first, object, &whole),
        }
    }

    fn of(&self, endpoint: Endpoint) -> impl Iterator<Item = &Found> {
        let (certain, possible) = limiting(endpoint);
        self.found.iter().filter(|found| certain.contains(&found.member) || possible.contains(&found.member))
    }
}

#[cfg(test)]
mod tests;
