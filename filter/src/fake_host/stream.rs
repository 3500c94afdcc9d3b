//! One stream as Envoy's filter manager leads it through the filter: what is held, what goes on to the
//! provider, what the client gets.

use core::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::HttpContext;
use proxy_wasm::types::Action;
use serde_json::Value;

use super::{Access, HeaderMap, LocalReply, Pairs, StreamState, with};
use crate::root::Root;

/// What went on to a provider.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) headers: Pairs,
    pub(crate) body: Vec<u8>,
    pub(crate) ended: bool,
    /// What the filter state names as the cluster to route to.
    pub(crate) cluster: Option<String>,
    /// The host by which its virtual host was picked.
    pub(crate) picked_by: Vec<u8>,
}

/// What the client got.
#[derive(Clone, Debug, Default)]
pub(crate) struct Response {
    pub(crate) status: u32,
    pub(crate) headers: Pairs,
    pub(crate) body: Vec<u8>,
    pub(crate) ended: bool,
    /// The filter made it.
    pub(crate) local: bool,
}

/// A stream and its filter context.
pub(crate) struct Stream {
    id: u32,
    vm: u32,
    context: Box<dyn HttpContext>,
    _root: Rc<RefCell<Root>>,
    held: bool,
    /// All of the request is here.
    complete: bool,
    sent: Option<Sent>,
    response: Option<Response>,
    /// An answer that the filter holds: its status, and what of its body is here.
    answer_held: Option<(u32, Vec<u8>)>,
    replies: usize,
}

impl Stream {
    pub(super) fn new(id: u32, vm: u32, context: Box<dyn HttpContext>, root: Rc<RefCell<Root>>) -> Self {
        Self {
            id,
            vm,
            context,
            _root: root,
            held: false,
            complete: false,
            sent: None,
            response: None,
            answer_held: None,
            replies: 0,
        }
    }

    /// What went on to a provider, if anything did.
    pub(crate) fn sent(&self) -> Option<&Sent> {
        self.sent.as_ref()
    }

    /// What the client got so far, if anything.
    pub(crate) fn response(&mut self) -> Option<&Response> {
        self.deliver();
        self.response.as_ref()
    }

    /// The context that callbacks are about.
    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// How many replies the filter made.
    pub(crate) fn replies(&mut self) -> usize {
        self.deliver();
        self.replies
    }

    /// Whether the filter closed the stream.
    pub(crate) fn closed(&self) -> bool {
        with(|host| host.streams[&self.id].closed)
    }

    /// The client's headers as they stand now.
    pub(crate) fn request_headers(&self) -> Pairs {
        with(|host| host.streams[&self.id].request.pairs.clone())
    }

    /// The value of a property, or `None`.
    pub(crate) fn property(&self, name: &str) -> Option<Vec<u8>> {
        with(|host| host.streams[&self.id].properties.get(name.as_bytes()).cloned())
    }

    /// Gives a property another value than the filter did.
    pub(crate) fn put_property(&mut self, path: &str, value: &[u8]) {
        self.set_property(path, value);
    }

    /// The client's headers arrive.
    pub(crate) fn request(&mut self, headers: Pairs, end: bool) -> Action {
        let count = headers.len();
        let map = HeaderMap { pairs: headers, access: Access::Write };
        let action =
            self.call(|state| state.request = map, |context| context.on_http_request_headers(count, end));
        self.held = action == Action::Pause;
        self.complete = end;
        if !self.held {
            self.send(Vec::new(), end);
        }
        self.deliver();
        action
    }

    /// A piece of the client's body arrives. While the headers are held the filter sees all of it so far.
    pub(crate) fn body(&mut self, piece: &[u8], end: bool) -> Action {
        self.deliver();
        if self.response.is_some() { Action::Pause } else { self.body_anyway(piece, end) }
    }

    /// The same, when Envoy would not even ask the filter any more.
    pub(crate) fn body_anyway(&mut self, piece: &[u8], end: bool) -> Action {
        let mut body = self.take_body();
        body.extend_from_slice(piece);
        self.complete |= end;
        let (action, body) =
            self.with_request_body(body, |context, size| context.on_http_request_body(size, end));
        if action == Action::Continue {
            self.send(body, end);
        } else {
            self.keep(body);
        }
        self.deliver();
        action
    }

    /// The client's trailers arrive, after a body whose last piece did not say so.
    pub(crate) fn trailers(&mut self) -> Action {
        let body = self.take_body();
        self.complete = true;
        let (action, body) = self.with_request_body(body, |context, _| context.on_http_request_trailers(1));
        if action == Action::Continue {
            self.send(body, true);
        } else {
            self.keep(body);
        }
        self.deliver();
        action
    }

    /// A provider's headers arrive.
    pub(crate) fn answer(&mut self, status: u32, headers: &[(&str, &str)], end: bool) -> Action {
        self.set_property("response\0code_details", b"via_upstream");
        let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        self.respond(status, headers, end)
    }

    /// Headers of an answer arrive, whoever made it.
    pub(crate) fn respond(&mut self, status: u32, headers: Pairs, end: bool) -> Action {
        let action = self.response_headers(status, headers, end);
        if action == Action::Continue {
            self.begin(status, end, false);
        } else {
            self.answer_held = Some((status, vec![]));
        }
        self.deliver();
        action
    }

    /// A piece of a provider's body arrives.
    pub(crate) fn answer_body(&mut self, piece: &[u8], end: bool) {
        let Some(piece) = self.response_body(piece, end) else { return self.deliver() };
        if let Some(response) = self.response.as_mut().filter(|response| !response.local) {
            response.body.extend(piece);
            response.ended |= end;
        }
        self.deliver();
    }

    /// A provider's trailers arrive.
    pub(crate) fn answer_trailers(&mut self) {
        let body = self.answer_held.as_ref().map(|(_, body)| body.clone());
        let action =
            self.call(|state| state.response_body = body, |context| context.on_http_response_trailers(1));
        if action == Action::Continue
            && let Some((status, body)) = self.answer_held.take()
        {
            self.begin(status, true, false);
            self.response.as_mut().unwrap().body = body;
        }
        self.deliver();
        if let Some(response) = &mut self.response {
            response.ended = true;
        }
    }

    /// Envoy answers itself, with these response flags.
    pub(crate) fn envoy_answers(&mut self, status: u32, details: &str, flags: u64) {
        self.reset(flags);
        self.set_property("response\0code_details", details.as_bytes());
        self.respond(status, vec![(b"content-type".into(), b"text/plain".into())], false);
        self.answer_body(details.as_bytes(), true);
    }

    /// The stream breaks with these response flags.
    pub(crate) fn reset(&mut self, flags: u64) {
        self.set_property("response\0flags", &flags.to_le_bytes());
    }

    /// Ends the stream and returns the record that was written for it.
    pub(crate) fn log(&mut self) -> Value {
        let read = |state: &mut StreamState| {
            state.request.access = Access::Read;
            state.response.access = Access::Read;
        };
        self.call(read, |context| context.on_log());
        self.call(
            |state| (state.request.access, state.response.access) = Default::default(),
            |context| context.on_done(),
        );
        self.call(|state| state.gone = true, |_| {});
        self.property("wasm.farebox.record").map_or(Value::Null, |record| {
            serde_json::from_slice(&record).unwrap_or_else(|error| panic!("{error}: {record:?}"))
        })
    }

    fn call<T>(
        &mut self,
        prepare: impl FnOnce(&mut StreamState),
        act: impl FnOnce(&mut dyn HttpContext) -> T,
    ) -> T {
        with(|host| {
            (host.current, host.vm) = (self.id, self.vm);
            prepare(host.streams.entry(self.id).or_default());
        });
        act(&mut *self.context)
    }

    fn with_request_body(
        &mut self,
        body: Vec<u8>,
        act: impl FnOnce(&mut dyn HttpContext, usize) -> Action,
    ) -> (Action, Vec<u8>) {
        let size = body.len();
        // Where no byte came there is no buffer either.
        let body = Some(body).filter(|body| !body.is_empty());
        let action = self.call(|state| state.request_body = body, |context| act(context, size));
        (action, self.take_body())
    }

    /// What of the body is held; the filter may have changed it.
    fn take_body(&self) -> Vec<u8> {
        with(|host| host.streams.entry(self.id).or_default().request_body.take()).unwrap_or_default()
    }

    fn keep(&self, body: Vec<u8>) {
        let body = Some(body).filter(|body| !body.is_empty());
        with(|host| host.streams.entry(self.id).or_default().request_body = body);
    }

    /// Lets it go on if the filter said so in a callback of another context; says whether it did.
    pub(crate) fn go_on(&mut self) -> bool {
        let resumed = with(|host| core::mem::take(&mut host.streams.entry(self.id).or_default().resumed));
        if resumed {
            let (body, end) = (self.take_body(), self.complete);
            self.send(body, end);
        }
        resumed
    }

    fn response_headers(&mut self, status: u32, mut headers: Pairs, end: bool) -> Action {
        headers.insert(0, (b":status".into(), status.to_string().into()));
        let count = headers.len();
        let map = HeaderMap { pairs: headers, access: Access::Write };
        let prepare = |state: &mut StreamState| {
            state.request.access = Access::None;
            state.response = map;
        };
        let action = self.call(prepare, |context| context.on_http_response_headers(count, end));
        self.call(|state| state.response.access = Access::None, |_| {});
        action
    }

    /// What goes on of a piece, and what was held before it; `None` if it is held.
    fn response_body(&mut self, piece: &[u8], end: bool) -> Option<Vec<u8>> {
        let mut whole = self.answer_held.take();
        let body = match &mut whole {
            Some((_, body)) => {
                body.extend_from_slice(piece);
                body.clone()
            }
            None => piece.to_vec(),
        };
        let size = body.len();
        let prepare = |state: &mut StreamState| {
            // What is held can be changed until it goes on.
            state.response.access = if whole.is_some() { Access::Write } else { Access::None };
            state.response_body = Some(body);
        };
        let action = self.call(prepare, |context| context.on_http_response_body(size, end));
        self.call(|state| state.response.access = Access::None, |_| {});
        if whole.is_some() && action == Action::Pause {
            self.answer_held = whole;
            return None;
        }
        if let Some((status, _)) = whole {
            self.begin(status, end, false);
        }
        with(|host| host.streams.entry(self.id).or_default().response_body.take())
    }

    fn set_property(&mut self, path: &str, value: &[u8]) {
        self.call(|state| drop(state.properties.insert(path.as_bytes().to_vec(), value.to_vec())), |_| {});
    }

    /// Lets the request, or its next piece, go on to the provider.
    fn send(&mut self, body: Vec<u8>, end: bool) {
        self.held = false;
        let cluster = self.property("wasm.farebox.cluster").map(|name| String::from_utf8(name).unwrap());
        let host = self.property("wasm.farebox.host").filter(|_| self.sent.is_none());
        let (picked_by, headers) = with(|all| {
            let request = &mut all.streams.entry(self.id).or_default().request;
            request.access = Access::None;
            // `host_rewrite` of the route, which was picked before.
            let authority = request.pairs.iter_mut().find(|(name, _)| name == b":authority");
            let rewritten = authority.zip(host).map(|((_, value), host)| core::mem::replace(value, host));
            (rewritten.unwrap_or_default(), request.pairs.clone())
        });
        let sent = self.sent.get_or_insert_with(|| Sent { headers, cluster, picked_by, ..Sent::default() });
        sent.body.extend(body);
        sent.ended |= end;
    }

    fn begin(&mut self, status: u32, ended: bool, local: bool) {
        let headers = with(|host| host.streams.entry(self.id).or_default().response.pairs.clone());
        self.response.get_or_insert(Response { status, headers, ended, local, ..Response::default() });
    }

    /// Sends the replies that the filter asked for, as Envoy does after a callback.
    fn deliver(&mut self) {
        let asked = with(|host| core::mem::take(&mut host.streams.entry(self.id).or_default().asked_replies));
        for LocalReply { status, details, headers, body } in asked {
            self.replies += 1;
            if self.response.is_some() {
                continue;
            }
            // A reply made in response headers replaces the answer and passes no callback any more.
            let answered = self.property("response\0code_details").is_some();
            self.set_property("response\0code_details", details.replace(' ', "_").as_bytes());
            let body = if answered {
                self.call(|state| state.response.pairs = headers, |_| {});
                self.begin(status, true, true);
                body
            } else {
                self.response_headers(status, headers, body.is_empty());
                self.begin(status, true, true);
                self.response_body(&body, true).unwrap_or_default()
            };
            if let Some(response) = &mut self.response {
                response.body = body;
            }
        }
    }
}

impl Sent {
    /// Every value of a header.
    pub(crate) fn header(&self, name: &str) -> Vec<String> {
        values(&self.headers, name)
    }
}

impl Response {
    /// Every value of a header.
    pub(crate) fn header(&self, name: &str) -> Vec<String> {
        values(&self.headers, name)
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn values(headers: &Pairs, name: &str) -> Vec<String> {
    let same = headers.iter().filter(|(candidate, _)| candidate == name.as_bytes());
    same.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
}
