//! Decides how a form is made odd: every liberty that RFC 7578, 2183, 2231 and 2046 give or that some parser takes.

use super::{chance, pick, word};
use farebox_readers::dice::Dice;

/// A form as it is sent.
#[derive(Clone, Debug)]
pub struct Form {
    /// Its content type.
    pub content_type: String,
    /// Its body.
    pub body: Vec<u8>,
    /// What is odd about it.
    pub what: Vec<&'static str>,
}

/// How the head of a part may name it; `?` is the name.
const HEADS: [&str; 22] = [
    "Content-Disposition: form-data; name=\"?\"",
    "Content-Disposition: form-data; name=?",
    "content-disposition:form-data;name=\"?\"",
    "CONTENT-DISPOSITION: form-data; NAME=\"?\"",
    "Content-Disposition: form-data; name*=utf-8''?",
    "Content-Disposition: form-data; name*=UTF-8'en'?; name=\"x\"",
    "Content-Disposition: form-data; name*0=\"?\"",
    "Content-Disposition: form-data; name=\"x\"; name=\"?\"",
    "Content-Disposition: form-data; name=\"?\"; name=\"x\"",
    "Content-Disposition: form-data;\r\n name=\"?\"",
    "Content-Disposition: form-data;\r\n\tname=\"?\"",
    "Content-Disposition: form-data; name = \"?\"",
    "Content-Disposition: form-data; name='?'",
    "Content-Disposition: form-data; filename=\"a.txt\"; name=\"?\"",
    "Content-Disposition: form-data; filename=\"a;name=x;b\"; name=\"?\"",
    "Content-Disposition: attachment; name=\"?\"",
    "Content-Disposition: form-data; name=\"x\"\r\nContent-Disposition: form-data; name=\"?\"",
    "Content-Disposition: form-data; name=\"?\"\r\nContent-Disposition: form-data; name=\"x\"",
    "X-Other: name=\"x\"\r\nContent-Disposition: form-data; name=\"?\"",
    "Content-Disposition : form-data; name=\"?\"",
    "Content-Disposition: form-data; name=\"?\"\r\nContent-Transfer-Encoding: base64",
    "Content-Disposition: form-data; name=\"?\"\r\nContent-Type: text/plain; charset=utf-16",
];

/// What a model's name may be spelled like.
const NAMES: [&str; 10] =
    ["model", "model", "model", "Model", "MODEL", "model[]", "mo\\del", "mod%65l", " model", "model\u{0}"];

/// A form that asks for `model`, and maybe for `other`; `text` stands in it.
#[must_use]
pub fn form(dice: &mut Dice, model: &str, other: &str, text: &str, odd: bool) -> Form {
    let mut what = Vec::new();
    let boundary = *pick(dice, &["b", "----WebKitFormBoundary7MA4YWxk", "a'()+_,-./:=?", "0123456789"]);
    let mut parts = vec![
        (head(HEADS[0], "model"), model.to_owned()),
        (
            "Content-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav"
                .to_owned(),
            format!("RIFF{text}"),
        ),
        (head(HEADS[0], "prompt"), text.to_owned()),
    ];
    if chance(dice, 30) {
        parts.push((head(HEADS[0], "n"), (*pick(dice, &["1", "3", "0", "-1", "2.0", ""])).to_owned()));
    }
    if odd {
        if chance(dice, 60) {
            what.push("a model in another spelling");
            parts[0].0 = head(word(dice, &HEADS), word(dice, &NAMES));
            parts[0].1 = other.to_owned();
        }
        if chance(dice, 50) {
            what.push("a second model");
            let part = (head(word(dice, &HEADS), word(dice, &NAMES)), other.to_owned());
            let at = usize::try_from(dice.below(parts.len() as u64 + 1)).expect("an index");
            parts.insert(at, part);
        }
        if chance(dice, 20) {
            what.push("a value with more than a name");
            parts[0].1 =
                (*pick(dice, &[" tiny ", "tiny\r\n", "dGlueQ==", "\u{feff}tiny", "", "tiny\0"])).to_owned();
        }
        if chance(dice, 15) {
            what.push("no model");
            parts.remove(0);
        }
    }
    let quoted = format!("multipart/form-data; boundary=\"{boundary}\"");
    let mut content_type =
        if boundary.contains('(') { quoted } else { format!("multipart/form-data; boundary={boundary}") };
    let mut body = Vec::new();
    let (mut end, mut delimiter_end) = ("\r\n", "");
    if odd && chance(dice, 12) {
        what.push("lines that end in another way");
        end = *pick(dice, &["\n", "\r"]);
    }
    if odd && chance(dice, 12) {
        what.push("padding after a boundary");
        delimiter_end = *pick(dice, &[" ", "\t ", "x"]);
    }
    if odd && chance(dice, 12) {
        what.push("a preamble");
        let hidden = head(HEADS[0], "model");
        body.extend(format!("--{boundary}x{end}{hidden}{end}{end}{other}{end}").bytes());
    }
    for (head, value) in &parts {
        let head = head.replace("\r\n", end);
        body.extend(format!("--{boundary}{delimiter_end}{end}{head}{end}{end}{value}{end}").bytes());
    }
    if odd && chance(dice, 8) {
        what.push("no last boundary");
    } else {
        body.extend(format!("--{boundary}--{end}").bytes());
    }
    if odd && chance(dice, 12) {
        what.push("something after the end");
        let hidden = head(HEADS[0], "model");
        body.extend(format!("--{boundary}{end}{hidden}{end}{end}{other}{end}--{boundary}--{end}").bytes());
    }
    if odd && chance(dice, 15) {
        what.push("an odd content type");
        content_type = match dice.below(8) {
            0 => format!("multipart/form-data; boundary={boundary}; boundary=other"),
            1 => format!("multipart/form-data; boundary=other; boundary={boundary}"),
            2 => format!("Multipart/Form-Data;BOUNDARY={boundary}"),
            3 => format!("multipart/mixed; boundary={boundary}"),
            4 => format!("multipart/form-data; charset=utf-16; boundary=\"{boundary}\""),
            5 => format!("multipart/form-data; boundary*=utf-8''{boundary}"),
            6 => "application/x-www-form-urlencoded".to_owned(),
            _ => "application/json".to_owned(),
        };
        if content_type.starts_with("application/x-www") {
            body = format!("model={other}&prompt={text}").into_bytes();
        } else if content_type.ends_with("json") {
            body = format!("{{\"model\":\"{other}\",\"prompt\":\"{text}\"}}").into_bytes();
        }
    }
    Form { content_type, body, what }
}

fn head(pattern: &str, name: &str) -> String {
    pattern.replace('?', name)
}
