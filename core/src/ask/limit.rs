//! Decides which members of a body limit how much one answer may say, and how such a limit is lowered.
//!
//! Every dialect has a name and a place of its own for it, and members of another dialect mean nothing.
//! What is no limit where one belongs, such as a null or Ollama's minus one, gives way to one; beside a
//! member that does limit, it is left alone, because OpenAI refuses a body that sets both of its members.
//!
//! Does not know how many tokens are affordable, and never raises a limit.

use core::ops::Range;

use super::members::Member;
use crate::dialect::Endpoint;
use crate::splice::Edit;

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
}

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

    /// The most tokens that the body allows `endpoint`.
    pub(super) fn allowed(&self, endpoint: Endpoint) -> Option<u64> {
        let certain = |found: &Found| found.allows.is_some() && limiting(endpoint).0.contains(&found.member);
        if self.of(endpoint).any(|found| found.lifts) || !self.of(endpoint).any(certain) {
            return None;
        }
        self.of(endpoint).filter_map(|found| found.allows).max()
    }

    /// The edits that make the body allow `endpoint` at most `tokens`; see [`super::Ask::limit_output`].
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
