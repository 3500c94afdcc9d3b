//! Decides what a provider's numbers mean: merged field by field, brought to buckets that do not overlap.
//!
//! Usage may stand in several events of a stream, as running totals, partly or as `null`. The last number
//! of each field wins; nothing is added up, and `null` erases nothing. Subsets that exceed their whole,
//! which some providers report, are cut down to it: a bucket is never negative.
//!
//! Does not guess: what was not reported stays unknown.

use crate::tokens::Tokens;

/// What a value of an answer says, in any dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Input tokens, caches included.
    InputWithCache,
    /// Input tokens, caches excluded.
    InputFresh,
    /// Input tokens read from a cache.
    CacheRead,
    /// Input tokens written to a cache, for however long.
    CacheWrite,
    /// Of those, the ones written for long.
    CacheWriteLong,
    /// Audio input tokens.
    InputAudio,
    /// Output tokens, reasoning included.
    Output,
    /// Of those, reasoning.
    Reasoning,
    /// Of those, audio.
    OutputAudio,
    /// The usage object itself.
    Usage,
    /// The list of choices of a chunk.
    Choices,
    /// Text that the model wrote.
    Delta,
    /// The model that answered.
    Model,
    /// An error in place of an answer.
    Error,
}

/// The last number that was reported of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    input_with_cache: Option<u64>,
    input_fresh: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    cache_write_long: Option<u64>,
    input_audio: Option<u64>,
    output: Option<u64>,
    reasoning: Option<u64>,
    output_audio: Option<u64>,
}

impl Reported {
    /// Takes a number. Fields that are not counts change nothing.
    pub fn set(&mut self, field: Field, count: u64) {
        let place = match field {
            Field::InputWithCache => &mut self.input_with_cache,
            Field::InputFresh => &mut self.input_fresh,
            Field::CacheRead => &mut self.cache_read,
            Field::CacheWrite => &mut self.cache_write,
            Field::CacheWriteLong => &mut self.cache_write_long,
            Field::InputAudio => &mut self.input_audio,
            Field::Output => &mut self.output,
            Field::Reasoning => &mut self.reasoning,
            Field::OutputAudio => &mut self.output_audio,
            Field::Usage | Field::Choices | Field::Delta | Field::Model | Field::Error => return,
        };
        *place = Some(count);
    }

    /// Whether the provider said how much input there was.
    #[must_use]
    pub fn has_input(&self) -> bool {
        self.input_with_cache.is_some() || self.input_fresh.is_some()
    }

    /// Whether the provider said how much output there was.
    #[must_use]
    pub fn has_output(&self) -> bool {
        self.output.is_some()
    }

    /// The numbers as buckets; zero for what was not reported.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        let mut rest = self.input_with_cache.unwrap_or(u64::MAX);
        let cache_read = take(&mut rest, self.cache_read);
        let written = take(&mut rest, self.cache_write.or(self.cache_write_long));
        let input_audio = take(&mut rest, self.input_audio);
        let cache_write_long = self.cache_write_long.unwrap_or(0).min(written);
        let input = match self.input_with_cache {
            Some(_) => rest,
            None => self.input_fresh.unwrap_or(0),
        };
        let mut rest = self.output.unwrap_or(0);
        let reasoning = take(&mut rest, self.reasoning);
        let output_audio = take(&mut rest, self.output_audio);
        Tokens {
            input,
            cache_read,
            cache_write: written - cache_write_long,
            cache_write_long,
            input_audio,
            output: rest,
            reasoning,
            output_audio,
            ..Tokens::default()
        }
    }
}

/// Takes a part out of `rest`, no more than there is.
fn take(rest: &mut u64, part: Option<u64>) -> u64 {
    let part = part.unwrap_or(0).min(*rest);
    *rest -= part;
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn reported(fields: &[(Field, u64)]) -> Reported {
        let mut reported = Reported::default();
        fields.iter().for_each(|&(field, count)| reported.set(field, count));
        reported
    }

    #[test]
    fn inclusive_and_exclusive_reports_of_one_prompt_are_the_same_tokens() {
        let openai = reported(&[(Field::InputWithCache, 36), (Field::CacheRead, 35), (Field::Output, 7)]);
        let anthropic = reported(&[(Field::InputFresh, 1), (Field::CacheRead, 35), (Field::Output, 7)]);
        assert_eq!(openai.tokens(), anthropic.tokens());
        assert_eq!(openai.tokens().total_input(), 36);
    }

    #[test]
    fn cache_writes_are_split_by_lifetime_and_counted_once() {
        let fields = [(Field::InputFresh, 3), (Field::CacheWrite, 2_074), (Field::CacheWriteLong, 2_000)];
        let tokens = reported(&fields).tokens();
        assert_eq!((tokens.input, tokens.cache_write, tokens.cache_write_long), (3, 74, 2_000));
    }

    #[test]
    fn the_last_number_wins_even_when_it_is_smaller() {
        let tokens = reported(&[(Field::InputFresh, 900), (Field::InputFresh, 20)]).tokens();
        assert_eq!(tokens.input, 20);
    }

    #[test]
    fn subsets_that_exceed_the_whole_are_cut_down_to_it() {
        let fields = [
            (Field::InputWithCache, 208),
            (Field::CacheRead, 314),
            (Field::Output, 10),
            (Field::Reasoning, 11),
        ];
        let tokens = reported(&fields).tokens();
        assert_eq!((tokens.total_input(), tokens.total_output()), (208, 10));
    }

    proptest! {
        #[test]
        fn the_buckets_of_an_inclusive_report_always_add_up_to_its_totals(
            input: u64, read: u64, write: u64, long: u64, output: u64, reasoning: u64, audio: u64,
        ) {
            let tokens = reported(&[
                (Field::InputWithCache, input), (Field::CacheRead, read), (Field::CacheWrite, write),
                (Field::CacheWriteLong, long), (Field::Output, output), (Field::Reasoning, reasoning),
                (Field::OutputAudio, audio), (Field::InputAudio, audio),
            ]).tokens();
            prop_assert_eq!((tokens.total_input(), tokens.total_output()), (input, output));
        }
    }
}
