//! One attempt as Envoy's router leads it through the filters behind it: all attempts of a request share its headers
//! and its filter state, and each is sent the same body. An answer that is held is buffered whole.

use proxy_wasm::traits::HttpContext;
use proxy_wasm::types::Action;

use super::stream::Sent;
use super::{Access, HeaderMap, Pairs, Stream, StreamState, with};

/// An attempt and its filter context.
pub(crate) struct Upstream {
    id: u32,
    /// The context of its request at the gateway.
    gateway: u32,
    context: Box<dyn HttpContext>,
    /// Where the router sends it.
    cluster: Option<String>,
    buffered: Vec<u8>,
    sent: Option<Sent>,
    answer: Vec<u8>,
    released: Vec<u8>,
}

impl Upstream {
    pub(super) fn new(id: u32, context: Box<dyn HttpContext>, stream: &Stream) -> Self {
        let gateway = stream.id();
        let cluster = stream.property("wasm.farebox.cluster");
        let cluster = cluster.map(|name| String::from_utf8_lossy(&name).into_owned());
        Self { id, gateway, context, cluster, buffered: vec![], sent: None, answer: vec![], released: vec![] }
    }

    /// The router sends it to this cluster, whatever the filter state says.
    pub(crate) fn reroute(&mut self, cluster: &str) {
        self.cluster = Some(cluster.to_owned());
    }

    /// What went on to a provider, if anything did.
    pub(crate) fn sent(&self) -> Option<&Sent> {
        self.sent.as_ref()
    }

    /// The statuses of the replies that the filter made in place of a provider.
    pub(crate) fn replies(&self) -> Vec<u32> {
        with(|host| host.streams[&self.id].asked_replies.iter().map(|reply| reply.status).collect())
    }

    /// Whether the filter closed the stream.
    pub(crate) fn closed(&self) -> bool {
        with(|host| host.streams[&self.id].closed)
    }

    /// The bytes of the answer's body that went on to the router.
    pub(crate) fn released(&self) -> &[u8] {
        &self.released
    }

    /// Every value of a header of the answer as it stands now.
    pub(crate) fn answer_header(&self, name: &str) -> Vec<String> {
        let pairs = with(|host| host.streams[&self.id].response.pairs.clone());
        Sent { headers: pairs, ..Sent::default() }.header(name)
    }

    /// The whole request comes: headers, a body in two pieces, and trailers if the body does not say that it ends.
    pub(crate) fn request(&mut self, body: &[u8], trailers: bool) {
        let action = self.call(
            |state| state.request.access = Access::Write,
            |context| context.on_http_request_headers(0, false),
        );
        let mut held = action == Action::Pause;
        self.go_on(held, &[], false);
        let (first, second) = body.split_at(body.len() / 2);
        for (piece, end) in [(first, false), (second, !trailers)] {
            self.buffered.extend_from_slice(piece);
            let size = self.buffered.len();
            held = self.request_body(|context| context.on_http_request_body(size, end));
            self.flush(held, end);
        }
        if trailers {
            held = self.request_body(|context| context.on_http_request_trailers(1));
            self.flush(held, true);
        }
    }

    /// A provider's headers arrive.
    pub(crate) fn answer(&mut self, status: u32, headers: &[(&str, &str)], end: bool) -> Action {
        let mut pairs: Pairs = vec![(b":status".into(), status.to_string().into())];
        pairs.extend(headers.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        self.answer_pairs(pairs, end)
    }

    /// The same, of any bytes.
    pub(crate) fn answer_pairs(&mut self, pairs: Pairs, end: bool) -> Action {
        let count = pairs.len();
        let map = HeaderMap { pairs, access: Access::Write };
        self.call(|state| state.response = map, |context| context.on_http_response_headers(count, end))
    }

    /// A piece of a provider's body arrives.
    pub(crate) fn answer_body(&mut self, piece: &[u8], end: bool) -> Action {
        self.answer.extend_from_slice(piece);
        let (size, body) = (self.answer.len(), Some(self.answer.clone()));
        let action =
            self.call(|state| state.response_body = body, |context| context.on_http_response_body(size, end));
        if action == Action::Continue {
            self.released.append(&mut self.answer);
        }
        action
    }

    /// A provider's trailers arrive.
    pub(crate) fn answer_trailers(&mut self) -> Action {
        let body = Some(self.answer.clone());
        let action =
            self.call(|state| state.response_body = body, |context| context.on_http_response_trailers(1));
        if action == Action::Continue {
            self.released.append(&mut self.answer);
        }
        action
    }

    fn request_body(&mut self, act: impl FnOnce(&mut dyn HttpContext) -> Action) -> bool {
        let body = Some(core::mem::take(&mut self.buffered));
        let action = self.call(|state| state.request_body = body, act);
        let body = with(|host| host.streams.entry(self.id).or_default().request_body.take());
        self.buffered = body.unwrap_or_default();
        action == Action::Pause
    }

    fn flush(&mut self, held: bool, end: bool) {
        let body = if held { vec![] } else { core::mem::take(&mut self.buffered) };
        self.go_on(held, &body, end);
    }

    fn go_on(&mut self, held: bool, body: &[u8], end: bool) {
        // A reply in place of a provider, or a closed stream, ends the attempt.
        if held || !self.replies().is_empty() || self.closed() {
            return;
        }
        let headers = with(|host| host.streams[&self.id].request.pairs.clone());
        let cluster = self.cluster.clone();
        let sent = self.sent.get_or_insert_with(|| Sent { headers, cluster, ..Sent::default() });
        sent.body.extend_from_slice(body);
        sent.ended |= end;
    }

    fn call<T>(
        &mut self,
        prepare: impl FnOnce(&mut StreamState),
        act: impl FnOnce(&mut dyn HttpContext) -> T,
    ) -> T {
        with(|host| {
            let shared = host.streams.entry(self.gateway).or_default();
            let (pairs, properties) = (shared.request.pairs.clone(), shared.properties.clone());
            let state = host.streams.entry(self.id).or_default();
            (state.request.pairs, state.properties) = (pairs, properties);
            if let Some(cluster) = &self.cluster {
                state.properties.insert(b"xds\0cluster_name".to_vec(), cluster.clone().into_bytes());
            }
            prepare(state);
            host.current = self.id;
        });
        let result = act(&mut *self.context);
        with(|host| {
            let state = host.streams.entry(self.id).or_default();
            let (pairs, mut properties) = (state.request.pairs.clone(), state.properties.clone());
            properties.remove(b"xds\0cluster_name".as_slice());
            let shared = host.streams.entry(self.gateway).or_default();
            (shared.request.pairs, shared.properties) = (pairs, properties);
        });
        result
    }
}
