//! Decides which model a body of Ollama's `/api/show` asks about.

use core::ops::Range;

use super::models;
use super::reply;
use crate::config::{Config, Key};
use crate::denial::{Denial, Reply};
use crate::json::{Scanner, Shape, Sink, Value, unescape};
use crate::request::llm_request::LlmRequestError;
use crate::request::route::RouteError;

/// Older clients say `name`.
static ASKED: Shape<()> = Shape::document(&[Shape::value("model", ()), Shape::value("name", ())]);

/// The last name that was said.
#[derive(Default)]
struct Asked(Option<String>);

impl Sink<()> for Asked {
    fn value(&mut self, (): (), value: Value<'_>, _: Range<u64>) {
        if let Value::Text { raw, .. } = value {
            self.0 = unescape(raw).or(self.0.take());
        }
    }
}

/// The page about the model that a request's `body` names.
///
/// # Errors
/// [`Denial`] if it names none, or none that the key may use.
pub fn show(config: &Config, key: &Key, body: &[u8]) -> Result<Reply, Denial> {
    let name = shown(body)?.ok_or(RouteError::NoModel)?;
    Ok(reply(models::show(config, key, &name)?))
}

/// The model that `body` asks about; `None` if it names none.
///
/// # Errors
/// [`LlmRequestError`], if it is no JSON.
fn shown(body: &[u8]) -> Result<Option<String>, LlmRequestError> {
    let (mut scanner, mut asked) = (Scanner::new(&ASKED), Asked::default());
    scanner
        .feed(body, &mut asked)
        .and_then(|()| scanner.finish(&mut asked))
        .map_err(LlmRequestError::Syntax)?;
    Ok(asked.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_named_as_new_clients_do_or_as_old_ones_do() {
        for body in [r#"{"model":"small"}"#, r#"{"name":"small","verbose":true}"#] {
            assert_eq!(shown(body.as_bytes()), Ok(Some("small".into())), "{body}");
        }
        assert_eq!(shown(b"{}"), Ok(None));
        assert!(shown(b"small").is_err() && shown(b"").is_err());
    }
}
