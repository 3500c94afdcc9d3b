//! Decides what a request asks for of which the body is not read: what its path and its headers say.
//!
//! That is for hosts that cannot hold headers until a body is here (`headers_only` in the configuration). The
//! model is the one of the path, or else of the header that the configuration names; the input is estimated
//! from the length that the client states, which it therefore has to state.
//!
//! Does not believe that the body says the same: what is charged is what the answer says.

use super::{FORM_BYTES_PER_TOKEN, LlmRequest, LlmRequestError, ModelAt};
use crate::base::headers::RequestHead;
use crate::base::text::percent_decode;
use crate::base::tokens::BYTES_PER_TOKEN;
use crate::dialect::{BodyForm, Served, Streams};
use crate::json;

impl LlmRequest {
    /// Reads the head of a request to `served`. `model_header` is the header that names the model where the path
    /// does not.
    ///
    /// # Errors
    /// [`LlmRequestError`], to be shown to the caller.
    pub fn unread(
        served: &Served,
        head: &RequestHead,
        model_header: Option<&str>,
    ) -> Result<Self, LlmRequestError> {
        let endpoint = served.endpoint;
        let length = head.first("content-length").and_then(json::count).ok_or(LlmRequestError::NoLength)?;
        if length == 0 {
            return Err(LlmRequestError::Empty);
        }
        let (model, model_at) = match served.model_at.clone() {
            Some(at) => {
                let name = head.path().get(at.clone()).map(percent_decode);
                let name = name.and_then(|name| String::from_utf8(name).ok());
                let name = name.ok_or(LlmRequestError::WrongKind("model", "UTF-8 in the path"))?;
                (Some(name), ModelAt::Path(at))
            }
            None => (named(head, model_header)?, ModelAt::Unread),
        };
        let bytes_per_token = match endpoint.body() {
            BodyForm::Json => BYTES_PER_TOKEN,
            BodyForm::Multipart => FORM_BYTES_PER_TOKEN,
        };
        Ok(Self {
            model,
            // Whether the body asks for a stream is not known; the answer's type says what it is.
            stream: matches!(endpoint.streams(), Streams::Always | Streams::UnlessDeclined),
            // Nothing can be asked for in its name, so nothing is hidden from it either.
            wants_usage: true,
            input_tokens: length.div_ceil(bytes_per_token),
            model_at: Some(model_at),
            ..Self::nothing(endpoint)
        })
    }
}

/// The model that the header names. Two of them are refused: parsers disagree on which one counts.
fn named(head: &RequestHead, header: Option<&str>) -> Result<Option<String>, LlmRequestError> {
    let Some(header) = header else { return Ok(None) };
    let mut values = head.all(header);
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(LlmRequestError::ModelHeader);
    }
    match core::str::from_utf8(first.trim_ascii()) {
        Ok("") | Err(_) => Err(LlmRequestError::ModelHeader),
        Ok(name) => Ok(Some(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn unread(headers: &[(&str, &str)]) -> Result<LlmRequest, LlmRequestError> {
        let headers =
            headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        let head = RequestHead::new(headers.collect());
        let served = Served::at(core::str::from_utf8(head.path()).unwrap()).unwrap();
        LlmRequest::unread(&served, &head, Some("x-model"))
    }

    const CHAT: (&str, &str) = (":path", "/v1/chat/completions");

    #[test]
    fn the_model_is_the_headers_and_the_input_a_quarter_of_the_stated_length() {
        let request = unread(&[CHAT, ("content-length", "401"), ("x-model", " fast ")]).unwrap();
        assert_eq!(
            (request.model.as_deref(), request.input_tokens, request.stream),
            (Some("fast"), 101, false)
        );
        assert_eq!(
            (request.name_model("another"), request.path_naming(b"/v1/chat/completions", "another")),
            (vec![], None)
        );
    }

    #[test]
    fn the_path_names_the_model_before_the_header_does_and_can_be_changed() {
        let path = "/v1beta/models/gemini-a:streamGenerateContent";
        let request = unread(&[(":path", path), ("content-length", "8"), ("x-model", "fast")]).unwrap();
        assert_eq!((request.model.as_deref(), request.stream), (Some("gemini-a"), true));
        let named = request.path_naming(path.as_bytes(), "gemini-b").unwrap();
        assert_eq!(String::from_utf8(named).unwrap(), "/v1beta/models/gemini-b:streamGenerateContent");
    }

    #[test]
    fn a_request_without_a_model_is_left_to_the_default_one() {
        assert_eq!(unread(&[CHAT, ("content-length", "8")]).unwrap().model, None);
    }

    #[test]
    fn a_length_that_is_not_stated_or_none_is_refused() {
        assert_eq!(unread(&[CHAT]), Err(LlmRequestError::NoLength));
        assert_eq!(unread(&[CHAT, ("content-length", "x")]), Err(LlmRequestError::NoLength));
        assert_eq!(unread(&[CHAT, ("content-length", "0")]), Err(LlmRequestError::Empty));
    }

    #[test]
    fn a_model_that_is_named_twice_or_by_nothing_is_refused() {
        let length = ("content-length", "8");
        let twice = [CHAT, length, ("x-model", "a"), ("x-model", "a")];
        assert_eq!(unread(&twice), Err(LlmRequestError::ModelHeader));
        assert_eq!(unread(&[CHAT, length, ("x-model", " ")]), Err(LlmRequestError::ModelHeader));
    }
}
