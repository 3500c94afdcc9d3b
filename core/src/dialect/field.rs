//! What a value of an answer says, in any dialect: the vocabulary of the tables.

use crate::json::Shape;

/// A number of something that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Count {
    /// Input tokens, caches included.
    InputWithCache,
    /// Input tokens, caches excluded.
    InputFresh,
    /// Input tokens that come on top of either, such as the results of tools.
    InputBesides,
    /// Input tokens of images that come on top of either.
    InputImageBesides,
    /// Input tokens read from a cache.
    CacheRead,
    /// Input tokens written to a cache, for however long.
    CacheWrite,
    /// Of those, the ones written for long.
    CacheWriteLong,
    /// Of the input, audio.
    InputAudio,
    /// Of the input, images.
    InputImage,
    /// Of what was read from a cache, audio.
    CacheReadAudio,
    /// Of what was read from a cache, images.
    CacheReadImage,
    /// Output tokens, reasoning included.
    Output,
    /// Output tokens, reasoning excluded.
    OutputVisible,
    /// Of the output, reasoning.
    Reasoning,
    /// Reasoning on top of the output.
    ReasoningBesides,
    /// Of the output, audio.
    OutputAudio,
    /// Of the output, images.
    OutputImage,
    /// All of it, to check the rest against.
    Total,
    /// The prompt as the engine timed it, without its cached part. Says something if nothing else does.
    TimedPrompt,
    /// The cached part of the prompt as the engine timed it.
    TimedCache,
    /// The output as the engine timed it.
    TimedOutput,
    /// Searches of the web.
    WebSearches,
    /// The same, counted from what the answer lists.
    SearchItems,
    /// Searches of a network of people, which cost what those of the web do.
    SocialSearches,
    /// Searches of stored files.
    FileSearches,
    /// Units of a search or a ranking.
    SearchUnits,
    /// Seconds of audio.
    AudioSeconds,
}

impl Count {
    /// How many kinds there are.
    pub const KINDS: usize = Self::AudioSeconds as usize + 1;
}

/// Which numbers a list of modalities is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The prompt.
    Input,
    /// What was read from a cache.
    Cache,
    /// The answer.
    Output,
}

/// What a value of an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// How much of something was used.
    Count(Count),
    /// The same, of one of several things: they add up.
    EachCount(Count),
    /// The same, of one step of the answer.
    StepCount(Count),
    /// The kind of the step.
    StepKind,
    /// The model of the step.
    StepModel,
    /// The step has ended.
    Step,
    /// The list of steps has ended.
    Steps,
    /// The name of a modality or of a lifetime, in a list of such.
    Kind,
    /// Its tokens.
    KindCount,
    /// The entry about a modality has ended.
    Modality(Side),
    /// The entry about a cache's lifetime has ended.
    Lifetime,
    /// The usage object itself.
    Usage,
    /// The list of choices of a chunk.
    Choices,
    /// Text that the model wrote.
    Delta,
    /// Something that the model made, in a place that no table knows: it counts as text, up to a bound.
    Content,
    /// Something that the model made and that is no text: audio, images.
    Media,
    /// Text in a place where the model's is looked for, that is known not to be its.
    NoContent,
    /// Why the model stopped: all that it wants to say has been said.
    Finish,
    /// Whether this is the last line of a stream.
    Last,
    /// What kind of event it is; some are the last of a stream.
    EventKind,
    /// What the provider searched the web for; said again in every chunk of a stream.
    SearchQuery,
    /// What kind of item the answer has; a search of the web is charged.
    Item,
    /// What the item did: pages that are opened are no searches.
    ItemAction,
    /// The item has ended.
    ItemEnd,
    /// The model that answered.
    Model,
    /// The tier of service that was given.
    ServiceTier,
    /// The speed that was given, which has a price of its own next to the tier.
    Speed,
    /// Where the answer was made: one place has a price of its own.
    Geo,
    /// What the provider charges, in US dollars.
    Cost,
    /// What the provider charges, in 1e-10 US dollars.
    CostTicks,
    /// An error in place of an answer.
    Error,
    /// The number of an error; zero is none.
    ErrorNumber,
}

/// What a model made, under any name.
pub(super) static CONTENT: Shape<Field> = Shape::anything(Field::Content, &CONTENT);

/// A member that is known to be nothing that a model made.
pub(super) const fn no_content(name: &'static str) -> Shape<Field> {
    Shape::value(name, Field::NoContent)
}

/// A member that says how much of something was used.
pub(super) const fn count(name: &'static str, count: Count) -> Shape<Field> {
    Shape::value(name, Field::Count(count))
}
