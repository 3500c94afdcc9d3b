//! Decides what a provider's numbers mean: merged kind by kind, brought to buckets that do not overlap.
//!
//! Usage may stand in several events of a stream, as running totals, partly or as `null`. The last number
//! of each kind wins; nothing is added up, and neither `null` nor a zero erases what was counted: some providers send
//! zeros for what an event is not about. Subsets that exceed their whole,
//! which some providers report, are cut down to it: a bucket is never negative.
//!
//! Where a total is reported that is larger than its parts, something was left out of them, and the total
//! is what is charged: if it is as much as the reasoning, that was (xAI); if as much as the audio, that
//! was (Mistral); else it was output (thoughts that Gemini's compatible endpoint hides). A total next to
//! no output and no input is all input: that is how embeddings and rankings are counted.
//!
//! Does not guess: what was not reported stays unknown. Seconds of audio have no price yet; an answer that
//! says nothing else is estimated.

use super::Count;
use crate::base::tokens::{Tokens, Usage};

const INPUTS: [Count; 6] = [
    Count::InputWithCache,
    Count::InputFresh,
    Count::InputBesides,
    Count::InputImageBesides,
    Count::TimedPrompt,
    Count::SearchUnits,
];

const OUTPUTS: [Count; 4] =
    [Count::Output, Count::OutputVisible, Count::ReasoningBesides, Count::TimedOutput];

/// The last number that was reported of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reported([Option<u64>; Count::KINDS]);

impl Reported {
    /// Takes a number. A zero takes nothing back.
    pub fn set(&mut self, kind: Count, count: u64) {
        if let Some(place) = self.0.get_mut(kind as usize)
            && (count > 0 || place.is_none())
        {
            *place = Some(count);
        }
    }

    /// The last number of this kind.
    #[must_use]
    pub fn get(&self, kind: Count) -> Option<u64> {
        self.0.get(kind as usize).copied().flatten()
    }

    /// Whether the provider said how much input there was. A total alone is input: an embedding's.
    #[must_use]
    pub fn has_input(&self) -> bool {
        !self.is_blank() && (self.says_any_of(&INPUTS) || !self.says_any_of(&OUTPUTS))
    }

    /// Whether the provider said how much output there was. A total next to the input says it too.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.is_blank() && (self.says_any_of(&OUTPUTS) || self.get(Count::Total).is_some())
    }

    /// Whether nothing was said, or zeros all over: no model answers without input, so these are
    /// placeholders.
    fn is_blank(&self) -> bool {
        self.of(Count::SearchUnits) == 0 && self.sides() == (0, 0)
    }

    fn says_any_of(&self, kinds: &[Count]) -> bool {
        kinds.iter().any(|&kind| self.get(kind).is_some())
    }

    /// Whether a total had to be used because its parts were less.
    #[must_use]
    pub fn is_reconciled(&self) -> bool {
        self.excess() > 0
    }

    /// Everything that was reported of one request.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let web_searches = self.of(Count::WebSearches).max(self.of(Count::SearchItems));
        let web_searches = web_searches.saturating_add(self.of(Count::SocialSearches));
        Usage {
            web_searches,
            grounded_requests: web_searches.min(1),
            file_searches: self.of(Count::FileSearches),
            // A ranking's unit is a query over so many documents: what others call a request.
            requests: self.of(Count::SearchUnits).max(1),
            ..Usage::of(self.tokens())
        }
    }

    /// The tokens as buckets; zero for what was not reported.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        let (input, output) = self.sides();
        let mut reasoning = self.of(Count::Reasoning).max(self.of(Count::ReasoningBesides));
        let audio = self.of(Count::InputAudio);
        let image = self.of(Count::InputImage).saturating_add(self.of(Count::InputImageBesides));
        let mut fresh = input;
        let cache_read = take(&mut fresh, self.get(Count::CacheRead).unwrap_or(self.timed_cache()));
        let written = take(&mut fresh, self.of(Count::CacheWrite).max(self.of(Count::CacheWriteLong)));
        let cache_write_long = self.of(Count::CacheWriteLong).min(written);
        let mut cached_text = cache_read;
        let cache_read_audio = take(&mut cached_text, self.of(Count::CacheReadAudio));
        let cache_read_image = take(&mut cached_text, self.of(Count::CacheReadImage));
        // A side's list of modalities includes what came from a cache.
        let input_audio = take(&mut fresh, audio.saturating_sub(cache_read_audio));
        let input_image = take(&mut fresh, image.saturating_sub(cache_read_image));
        let mut visible = output;
        reasoning = take(&mut visible, reasoning);
        let output_audio = take(&mut visible, self.of(Count::OutputAudio));
        let output_image = take(&mut visible, self.of(Count::OutputImage));
        Tokens {
            input: fresh,
            cache_read: cached_text,
            cache_read_audio,
            cache_read_image,
            cache_write: written - cache_write_long,
            cache_write_long,
            input_audio,
            input_image,
            output: visible,
            reasoning,
            output_audio,
            output_image,
        }
    }

    /// All output, reasoning included: what [`Self::tokens`] makes of it, without its parts.
    #[must_use]
    pub fn total_output(&self) -> u64 {
        // While a stream runs there is no total, and it is asked for at every piece.
        if self.get(Count::Total).is_none() { self.output() } else { self.sides().1 }
    }

    /// All input and all output, with what a total has on top of them.
    fn sides(&self) -> (u64, u64) {
        let (input, output) = (self.input(), self.output());
        let excess = self.of(Count::Total).saturating_sub(input.saturating_add(output));
        if excess == 0 {
            return (input, output);
        }
        let reasoning = self.of(Count::Reasoning).max(self.of(Count::ReasoningBesides));
        let no_parts = input == 0 && !self.says_any_of(&OUTPUTS);
        if no_parts || (excess != reasoning && excess == self.of(Count::InputAudio)) {
            (input.saturating_add(excess), output)
        } else {
            (input, output.saturating_add(excess))
        }
    }

    /// All input, caches included.
    fn input(&self) -> u64 {
        let base = match (self.get(Count::InputWithCache), self.get(Count::InputFresh)) {
            (Some(all), _) => all,
            (None, Some(fresh)) => fresh
                .saturating_add(self.of(Count::CacheRead))
                .saturating_add(self.of(Count::CacheWrite).max(self.of(Count::CacheWriteLong))),
            (None, None) => self.of(Count::TimedPrompt).saturating_add(self.timed_cache()),
        };
        base.saturating_add(self.of(Count::InputBesides)).saturating_add(self.of(Count::InputImageBesides))
    }

    /// All output, reasoning included.
    fn output(&self) -> u64 {
        match (self.get(Count::Output), self.get(Count::OutputVisible), self.get(Count::ReasoningBesides)) {
            (Some(all), ..) => all,
            (None, None, None) => self.of(Count::TimedOutput),
            (None, visible, besides) => visible.unwrap_or(0).saturating_add(besides.unwrap_or(0)),
        }
    }

    /// The cached part of a prompt that only the engine's timing tells.
    fn timed_cache(&self) -> u64 {
        let told = self.get(Count::InputWithCache).is_some() || self.get(Count::InputFresh).is_some();
        if told { 0 } else { self.of(Count::TimedCache) }
    }

    /// How much more the reported total is than its parts.
    fn excess(&self) -> u64 {
        let parts = self.input().saturating_add(self.output());
        self.of(Count::Total).saturating_sub(parts)
    }

    fn of(&self, kind: Count) -> u64 {
        self.get(kind).unwrap_or(0)
    }
}

/// Takes a part out of `rest`, no more than there is.
fn take(rest: &mut u64, part: u64) -> u64 {
    let part = part.min(*rest);
    *rest -= part;
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn reported(counts: &[(Count, u64)]) -> Reported {
        let mut reported = Reported::default();
        counts.iter().for_each(|&(kind, count)| reported.set(kind, count));
        reported
    }

    fn totals(counts: &[(Count, u64)]) -> (u64, u64) {
        let tokens = reported(counts).tokens();
        (tokens.total_input(), tokens.total_output())
    }

    #[test]
    fn inclusive_and_exclusive_reports_of_one_prompt_are_the_same_tokens() {
        let openai = reported(&[(Count::InputWithCache, 36), (Count::CacheRead, 35), (Count::Output, 7)]);
        let anthropic = reported(&[(Count::InputFresh, 1), (Count::CacheRead, 35), (Count::Output, 7)]);
        assert_eq!(openai.tokens(), anthropic.tokens());
        assert_eq!(openai.tokens().total_input(), 36);
    }

    #[test]
    fn cache_writes_are_split_by_lifetime_and_counted_once() {
        let counts = [(Count::InputFresh, 3), (Count::CacheWrite, 2_074), (Count::CacheWriteLong, 2_000)];
        let tokens = reported(&counts).tokens();
        assert_eq!((tokens.input, tokens.cache_write, tokens.cache_write_long), (3, 74, 2_000));
    }

    #[test]
    fn the_last_number_wins_even_when_it_is_smaller() {
        assert_eq!(totals(&[(Count::InputFresh, 900), (Count::InputFresh, 20)]), (20, 0));
    }

    #[test]
    fn a_zero_takes_back_nothing_that_was_counted() {
        let counts = [
            (Count::InputFresh, 1_500),
            (Count::CacheRead, 9_000),
            (Count::CacheWrite, 500),
            (Count::InputFresh, 0),
            (Count::CacheRead, 0),
            (Count::CacheWrite, 0),
            (Count::Output, 40),
        ];
        assert_eq!(totals(&counts), (11_000, 40));
        assert_eq!(totals(&[(Count::Output, 0), (Count::Output, 7), (Count::Output, 0)]), (0, 7));
    }

    #[test]
    fn subsets_that_exceed_the_whole_are_cut_down_to_it() {
        let counts = [
            (Count::InputWithCache, 208),
            (Count::CacheRead, 314),
            (Count::Output, 10),
            (Count::Reasoning, 11),
        ];
        assert_eq!(totals(&counts), (208, 10));
    }

    #[test]
    fn thoughts_that_are_told_apart_are_output() {
        let gemini = [
            (Count::InputWithCache, 100),
            (Count::InputBesides, 7),
            (Count::OutputVisible, 20),
            (Count::ReasoningBesides, 300),
            (Count::Total, 427),
        ];
        assert_eq!(totals(&gemini), (107, 320));
        assert_eq!(reported(&gemini).tokens().reasoning, 300);
        let only_thoughts = [(Count::InputWithCache, 9), (Count::ReasoningBesides, 5), (Count::Total, 14)];
        assert_eq!(totals(&only_thoughts), (9, 5));
    }

    #[test]
    fn what_a_total_has_more_than_its_parts_is_charged_where_it_belongs() {
        let xai =
            [(Count::InputWithCache, 12), (Count::Output, 1), (Count::Reasoning, 290), (Count::Total, 303)];
        assert_eq!((totals(&xai), reported(&xai).tokens().reasoning), ((12, 291), 290));
        let mistral =
            [(Count::InputWithCache, 9), (Count::Output, 248), (Count::InputAudio, 375), (Count::Total, 632)];
        assert_eq!((totals(&mistral), reported(&mistral).tokens().input_audio), ((384, 248), 375));
        let hidden = [(Count::InputWithCache, 35), (Count::Output, 12), (Count::Total, 109)];
        assert_eq!((totals(&hidden), reported(&hidden).is_reconciled()), ((35, 74), true));
        let less = [(Count::InputWithCache, 35), (Count::Output, 12), (Count::Total, 1)];
        assert_eq!((totals(&less), reported(&less).is_reconciled()), ((35, 12), false));
    }

    #[test]
    fn a_total_next_to_nothing_is_input() {
        assert_eq!(totals(&[(Count::Total, 40)]), (40, 0));
        assert_eq!(totals(&[(Count::InputWithCache, 0), (Count::Total, 813)]), (813, 0));
        assert_eq!(totals(&[(Count::InputWithCache, 9), (Count::Total, 12)]), (9, 3));
    }

    #[test]
    fn zeros_all_over_are_no_report() {
        let said = |counts| (reported(counts).has_input(), reported(counts).has_output());
        assert_eq!(
            said(&[(Count::InputWithCache, 0), (Count::Output, 0), (Count::Total, 0)]),
            (false, false)
        );
        assert_eq!(said(&[(Count::InputWithCache, 9), (Count::Output, 0)]), (true, true));
        assert_eq!(said(&[(Count::SearchUnits, 2)]), (true, false));
        assert_eq!(reported(&[(Count::SearchUnits, 2)]).usage().requests, 2);
    }

    #[test]
    fn an_engines_timing_counts_only_where_nothing_else_is_said() {
        let timed = [(Count::TimedPrompt, 1), (Count::TimedCache, 35), (Count::TimedOutput, 7)];
        assert_eq!((totals(&timed), reported(&timed).tokens().cache_read), ((36, 7), 35));
        let both = [timed.as_slice(), &[(Count::InputWithCache, 40), (Count::Output, 9)]].concat();
        assert_eq!((totals(&both), reported(&both).tokens().cache_read), ((40, 9), 0));
    }

    #[test]
    fn modalities_are_part_of_their_side_and_of_the_cache() {
        let counts = [
            (Count::InputWithCache, 432),
            (Count::CacheRead, 100),
            (Count::InputAudio, 131),
            (Count::CacheReadAudio, 31),
            (Count::OutputVisible, 1_283),
            (Count::OutputImage, 1_120),
        ];
        let tokens = reported(&counts).tokens();
        assert_eq!(
            (tokens.input, tokens.input_audio, tokens.cache_read, tokens.cache_read_audio),
            (232, 100, 69, 31)
        );
        assert_eq!((tokens.output, tokens.output_image), (163, 1_120));
    }

    proptest! {
        #[test]
        fn the_buckets_of_an_inclusive_report_always_add_up_to_its_totals(
            input: u64, read: u64, write: u64, long: u64, output: u64, reasoning: u64, audio: u64, image: u64,
        ) {
            let counts = [
                (Count::InputWithCache, input), (Count::CacheRead, read), (Count::CacheWrite, write),
                (Count::CacheWriteLong, long), (Count::Output, output), (Count::Reasoning, reasoning),
                (Count::OutputAudio, audio), (Count::InputAudio, audio), (Count::InputImage, image),
                (Count::CacheReadAudio, audio), (Count::OutputImage, image),
            ];
            prop_assert_eq!(totals(&counts), (input, output));
        }

        #[test]
        fn no_numbers_make_a_reading_panic_or_lose_tokens(counts in prop::array::uniform27(any::<Option<u64>>())) {
            let reported = Reported(counts);
            let tokens = reported.tokens();
            let told = reported.of(Count::InputWithCache).max(reported.of(Count::Output));
            prop_assert!(tokens.total() >= told);
            prop_assert_eq!(reported.total_output(), tokens.total_output());
        }
    }
}
