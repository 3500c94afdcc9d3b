//! Requests and answers that nobody thought of: drawn by a seed, sent through the real Envoy, and judged by what a provider
//! read and served rather than by what Farebox says of them.
//!
//! A case is known by its seed and number alone, so any of them can be sent again by itself:
//! `FAREBOX_ODD_SEED=7 FAREBOX_ODD_ONLY=1234 cargo test -p farebox-tests odd_requests`. `FAREBOX_ODD_COUNT` says how many
//! are sent; what was found is listed by kind, with the number of the first cases of each.

pub mod answering;
pub mod answers;
pub mod bodies;
pub mod endpoints;
pub mod findings;
pub mod forms;
pub mod framing;
pub mod good;
pub mod heads;
pub mod lenient;
pub mod requests;
pub mod run;
pub mod spoil;
pub mod usages;
pub mod verdict;
pub mod wire;
pub mod world;

use farebox_readers::dice::Dice;

/// Which cases are sent.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What everything is drawn from.
    pub seed: u64,
    /// How many.
    pub count: u64,
    /// Only the one with this number.
    pub only: Option<u64>,
}

impl Plan {
    /// What the environment asks for, `count` cases if it does not say how many.
    #[must_use]
    pub fn from_environment(count: u64) -> Self {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
        Self {
            seed: number("FAREBOX_ODD_SEED").unwrap_or(14),
            count: number("FAREBOX_ODD_COUNT").unwrap_or(count),
            only: number("FAREBOX_ODD_ONLY"),
        }
    }

    /// The numbers of the cases.
    #[must_use]
    pub fn numbers(self) -> Vec<u64> {
        self.only.map_or_else(|| (0..self.count).collect(), |only| vec![only])
    }

    /// What one case is drawn from.
    #[must_use]
    pub fn dice(self, number: u64) -> Dice {
        Dice::new(self.seed ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }
}

/// One of several, at random.
///
/// # Panics
/// If there are none.
pub fn pick<'a, T>(dice: &mut Dice, all: &'a [T]) -> &'a T {
    let at = dice.below(all.len() as u64);
    &all[usize::try_from(at).expect("an index")]
}

/// Whether something happens that happens so many times in a hundred.
pub fn chance(dice: &mut Dice, percent: u64) -> bool {
    dice.below(100) < percent
}

/// What stands in every case's text, path or header, so that the provider knows which one it is.
#[must_use]
pub fn mark(number: u64) -> String {
    format!("case-{number}-")
}

/// The number in a [`mark`] somewhere in these bytes, in whatever encoding.
#[must_use]
pub fn marked(bytes: &[u8]) -> Option<u64> {
    let narrow: Vec<u8> = bytes.iter().copied().filter(|byte| ![0, 0xff].contains(byte)).collect();
    let at = narrow.windows(5).position(|window| window == b"case-")? + 5;
    let digits: Vec<u8> = narrow[at..].iter().copied().take_while(u8::is_ascii_digit).collect();
    String::from_utf8(digits).ok()?.parse().ok()
}

/// One of several words, at random.
pub fn word(dice: &mut Dice, all: &[&'static str]) -> &'static str {
    pick::<&str>(dice, all)
}
