//! Answers what is asked of the gateway itself: its pages, in the form of the API whose client asks.

use std::rc::Rc;

use farebox_core::base::headers::RequestHead;
use farebox_core::base::window::Millis;
use farebox_core::config::{Config, Key};
use farebox_core::denial::{Denial, Reply};
use farebox_core::dialect::{Dialect, Endpoint};
use farebox_core::pages;
use farebox_core::request::resource::{Resource, dialect_of};
use farebox_core::request::route::RouteError;
use proxy_wasm::types::Action;

use crate::gateway::Gateway;
use crate::gateway::state::State;
use crate::host::{self, Buffer, Map};

/// A page of the gateway's own.
pub(crate) fn page(body: String) -> Reply {
    let headers = vec![("content-type", "application/json".into()), ("cache-control", "no-store".into())];
    Reply { status: 200, headers, body }
}

impl Gateway {
    /// The page at `place`; `None` if there is none that can be told without a body.
    pub(crate) fn page_at(
        &self,
        resource: &Resource,
        config: &Config,
        key: &Rc<Key>,
        head: &RequestHead,
        now: Millis,
    ) -> Result<Option<Reply>, Denial> {
        let body = match resource {
            Resource::Health => pages::HEALTH.into(),
            Resource::Models => pages::models(config, key, dialect_of(config, head)),
            Resource::Model(name) => pages::model(config, key, name, dialect_of(config, head))?,
            Resource::Usage => pages::usage(&self.vm.ledger(config), config, key, head, now)?,
            Resource::Show | Resource::Endpoint(_) => return Ok(None),
        };
        Ok(Some(page(body)))
    }

    /// Answers a question about the model that its body of `size` bytes names.
    pub(crate) fn show(&mut self, config: &Config, key: &Key, size: usize) -> Action {
        let shown = || {
            let body = host::buffer(Buffer::RequestBody, 0, size).map_err(|_| Denial::HostUnsupported)?;
            let name = pages::shown(&body)?.ok_or(RouteError::NoModel)?;
            Ok(pages::show(config, key, &name)?)
        };
        match shown() {
            Ok(body) => {
                self.state = State::Replied(None);
                self.reply(page(body), "farebox_page")
            }
            Err(denial) => self.deny(denial),
        }
    }

    /// The dialect in which the request is refused.
    pub(crate) fn dialect(&self) -> Dialect {
        self.context.endpoint.map(Endpoint::dialect).unwrap_or_else(|| {
            let config = self.config.as_ref();
            let told = config.and_then(|config| Some(dialect_of(config, &host::headers(Map::Request).ok()?)));
            told.unwrap_or(Dialect::OpenAi)
        })
    }
}
