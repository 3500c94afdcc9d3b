//! Decides how a JSON body is made odd: members in another spelling, of another kind, twice, elsewhere; text that is
//! JSON to some.

use super::{chance, pick};
use farebox_readers::dice::Dice;

/// The members of a body, each a name and a value, both as JSON.
pub type Members = Vec<(String, String)>;

/// Members that limit or multiply what is generated, at one server or another.
const AMOUNTS: [&str; 24] = [
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "n_predict",
    "n",
    "best_of",
    "n_cmpl",
    "num_predict",
    "max_new_tokens",
    "max_gen_len",
    "maxTokens",
    "maxOutputTokens",
    "maxTokenCount",
    "max_tokens_to_sample",
    "num_return_sequences",
    "min_tokens",
    "generationConfig.maxOutputTokens",
    "generation_config.max_output_tokens",
    "generationConfig.max_output_tokens",
    "generation_config.maxOutputTokens",
    "generationConfig.candidateCount",
    "inferenceConfig.maxTokens",
    "options.num_predict",
    "prompt",
];

/// Values of such a member.
const VALUES: [&str; 22] = [
    "100",
    "7",
    "90000",
    "\"90000\"",
    "9e4",
    "90000.0",
    "1e400",
    "-1",
    "0",
    "null",
    "true",
    "[9]",
    "{}",
    "99999999999999999999",
    "1E+5",
    "0x10",
    "-0",
    "1.5",
    "\"\"",
    "+5",
    "007",
    "NaN",
];

/// Members that name a model, at one server or another; `?` stands for the model.
const MODELS: [(&str, &str); 18] = [
    ("models", "[?]"),
    ("models", "?"),
    ("fallbacks", "[?]"),
    ("fallbacks", "[{\"model\":?}]"),
    ("fallback_models", "[?]"),
    ("fallback_model", "?"),
    ("model_name", "?"),
    ("modelId", "?"),
    ("model_id", "?"),
    ("deployment_model", "?"),
    ("draft_model", "?"),
    ("extra_body", "{\"model\":?}"),
    ("tools", "[{\"type\":\"image_generation\",\"model\":?}]"),
    ("tools", "[{\"type\":\"advisor_20260301\",\"name\":\"advisor\",\"model\":?}]"),
    ("speculative_model", "?"),
    ("route", "{\"model\":?}"),
    ("model", "{\"id\":?}"),
    ("model", "[?]"),
];

/// A name as JSON, in a spelling that some parsers take for it.
#[must_use]
pub fn spelled(dice: &mut Dice, name: &str) -> String {
    let text = match dice.below(9) {
        0 => name.to_uppercase(),
        1 => {
            let mut letters = name.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
        }
        2 => farebox_readers::json::camel(name),
        3 => {
            // Each of some letters as an escape.
            let escaped = |letter: char| {
                if letter.is_ascii_alphabetic() && (letter as u32).is_multiple_of(3) {
                    format!("\\u{:04x}", u32::from(letter))
                } else {
                    letter.to_string()
                }
            };
            name.chars().map(escaped).collect()
        }
        4 => name.replacen('s', "\u{17f}", 1).replacen('k', "\u{212a}", 1),
        5 => name.replace('_', "-"),
        6 => format!(" {name}"),
        7 => {
            let flip = |(at, letter): (usize, char)| {
                if at % 2 == 0 { letter.to_ascii_uppercase() } else { letter }
            };
            name.chars().enumerate().map(flip).collect()
        }
        _ => name.to_owned(),
    };
    format!("\"{text}\"")
}

/// Adds, moves or changes members. Says what it did.
pub fn odd_members(dice: &mut Dice, members: &mut Members, other: &str) -> &'static str {
    let at = usize::try_from(dice.below(members.len() as u64 + 1)).expect("an index");
    let model = format!("\"{other}\"");
    match dice.below(7) {
        0 | 1 => {
            let name = spelled(dice, "model");
            members.insert(at, (name, model));
            "a model in another spelling"
        }
        2 => {
            let (name, value) = *pick(dice, &MODELS);
            if name == "model" {
                members.retain(|(known, _)| known != "\"model\"");
            }
            members.insert(at.min(members.len()), (format!("\"{name}\""), value.replace('?', &model)));
            "a member that names a model"
        }
        3 => {
            let place = members.iter().position(|(name, _)| name == "\"model\"");
            let value = *pick(dice, &["null", "5", "[]", "\"\"", "\" tiny\"", "\"tiny\\u0000\"", "true"]);
            match place {
                Some(place) => members[place].1 = value.to_owned(),
                None => members.insert(at, ("\"model\"".into(), value.to_owned())),
            }
            "a model of another kind"
        }
        _ => {
            amount(dice, members, at);
            if chance(dice, 30) {
                amount(dice, members, 0);
            }
            "a limit or a multiplier"
        }
    }
}

fn amount(dice: &mut Dice, members: &mut Members, at: usize) {
    let place = *pick(dice, &AMOUNTS);
    let value = if place == "prompt" {
        "[\"one\",\"two\",\"three\",\"four\",\"five\",\"six\",\"seven\",\"eight\"]"
    } else if ["n", "best_of", "n_cmpl", "num_return_sequences"].contains(&place) {
        *pick(dice, &["20", "2", "\"9\"", "1e1", "-3", "0", "null", "500", "true"])
    } else {
        *pick(dice, &VALUES)
    };
    let odd = chance(dice, 40);
    let mut name = |name: &str| if odd { spelled(dice, name) } else { format!("\"{name}\"") };
    let (name, value) = match place.split_once('.') {
        None => (name(place), value.to_owned()),
        Some((outer, inner)) => (name(outer), format!("{{{}:{value}}}", name(inner))),
    };
    members.insert(at, (name, value));
}

/// Adds a wish for a stream, in one kind or another.
pub fn wish_for_stream(dice: &mut Dice, members: &mut Members) {
    let value = *pick(dice, &["true", "true", "true", "false", "null", "\"true\"", "1", "\"yes\"", "[]"]);
    let name = if chance(dice, 20) { spelled(dice, "stream") } else { "\"stream\"".into() };
    members.push((name, value.to_owned()));
    if chance(dice, 30) {
        let value =
            *pick(dice, &["{\"include_usage\":false}", "{\"include_usage\":true}", "null", "{}", "[]", "1"]);
        members.push(("\"stream_options\"".into(), value.to_owned()));
    }
}

/// The body that these members make.
#[must_use]
pub fn written(members: &Members) -> String {
    let members: Vec<String> = members.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// The text of a body as bytes that are JSON to some. `second` is another body. Says what it did.
#[must_use]
pub fn odd_text(dice: &mut Dice, text: &str, second: &str) -> (Vec<u8>, &'static str) {
    let wide = |text: &str, little: bool| -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() })
            .collect()
    };
    let (bytes, what) = match dice.below(19) {
        0 => ([b"\xef\xbb\xbf", text.as_bytes()].concat(), "a byte order mark"),
        1 => ([b"\xff\xfe".to_vec(), wide(text, true)].concat(), "UTF-16 with a mark"),
        2 => (wide(text, true), "UTF-16, little end first"),
        3 => (wide(text, false), "UTF-16, big end first"),
        4 => (text.replacen('}', ",}", 1).into_bytes(), "a comma too many"),
        5 => (format!("/*{{*/{text}").into_bytes(), "a comment"),
        6 => (text.replacen('{', "{// x\n", 1).into_bytes(), "a comment to the end of a line"),
        7 => (format!("{text}{second}").into_bytes(), "two documents"),
        8 => (format!("{text}\n{second}").into_bytes(), "two documents on lines"),
        9 => (format!("[{text}]").into_bytes(), "a list"),
        10 => (text.replace('"', "'").into_bytes(), "single quotes"),
        11 => (format!("\u{b}\u{a0}{text}").into_bytes(), "other white space"),
        12 => (format!(" \r\n\t{text}\r\n\r\n ").into_bytes(), "white space"),
        13 => (format!("{text}\0").into_bytes(), "a zero at the end"),
        14 => {
            let deep = 300;
            let nested = format!("{}1{}", "[".repeat(deep), "]".repeat(deep));
            (text.replacen('{', &format!("{{\"deep\":{nested},"), 1).into_bytes(), "deep nesting")
        }
        15 => {
            let mut bytes = text.as_bytes().to_vec();
            let at = bytes.len() / 2;
            bytes.insert(at, 0xff);
            (bytes, "a byte that is no UTF-8")
        }
        16 => {
            let end = usize::try_from(dice.below(text.len() as u64)).expect("an index");
            let end = (0..=end).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
            (text.as_bytes()[..end].to_vec(), "a body that is cut")
        }
        17 => (text.replacen("\":", "\"\n :\t", 3).into_bytes(), "white space inside"),
        _ => {
            let lone = "{\"x\":\"\\ud800\\udc\",";
            (text.replacen('{', lone, 1).into_bytes(), "a broken escape")
        }
    };
    (bytes, what)
}
