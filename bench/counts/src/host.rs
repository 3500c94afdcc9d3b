//! What Envoy keeps: streams with their headers, bodies and filter state, shared data, metrics, the clock.
//!
//! As Envoy 1.40 has it where the filter could tell: shared data has versions, filter state is read under `wasm.`,
//! and a local reply waits for the end of its callback. Time stands still but for `envoy.rs`, which lets it pass.
//!
//! Does not know of memory or of the module: see `abi.rs`.

use std::collections::{BTreeMap, HashMap};

/// Statuses of the ABI.
pub(crate) const OK: u32 = 0;
pub(crate) const NOT_FOUND: u32 = 1;
pub(crate) const BAD_ARGUMENT: u32 = 2;
pub(crate) const CAS_MISMATCH: u32 = 8;

/// The header map of an answer to a call.
const CALLOUT_HEADERS: u32 = 6;
/// The root context of every VM.
pub(crate) const ROOT: u32 = 1;

/// Names and values in order.
pub(crate) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// One stream, as the filter of one VM sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    pub(crate) request: Pairs,
    pub(crate) response: Pairs,
    pub(crate) request_body: Vec<u8>,
    pub(crate) response_body: Vec<u8>,
    /// Properties and filter state, by path.
    pub(crate) properties: HashMap<Vec<u8>, Vec<u8>>,
    /// The filter lets it go on.
    pub(crate) resumed: bool,
    /// The reply that the filter asked for, until it is sent.
    pub(crate) reply: Option<Reply>,
}

/// An answer that the filter makes.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u32,
    pub(crate) details: Vec<u8>,
    pub(crate) headers: Pairs,
    pub(crate) body: Vec<u8>,
}

/// What all VMs of one Envoy share.
#[derive(Debug)]
pub(crate) struct Host {
    /// The time of day in nanoseconds.
    pub(crate) now: u64,
    pub(crate) streams: HashMap<u32, Stream>,
    /// The stream that calls are about.
    pub(crate) current: u32,
    /// What `proxy_get_buffer_bytes` hands over as configuration of the VM, and of the plugin.
    pub(crate) vm_configuration: Vec<u8>,
    pub(crate) configuration: Vec<u8>,
    /// Variables of the environment, as `NAME=value`.
    pub(crate) environment: Vec<String>,
    /// Values of the queue.
    pub(crate) queued: Vec<Vec<u8>>,
    /// Calls to other clusters without an answer: their tokens and bodies.
    pub(crate) calls: Vec<(u32, Vec<u8>)>,
    pub(crate) last_call: u32,
    /// The answer that a callback is about.
    pub(crate) callout: (Pairs, Vec<u8>),
    /// What the filter said, from warnings upwards.
    pub(crate) warnings: Vec<String>,
    shared: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    last_version: u32,
    metrics: Vec<(Vec<u8>, u64)>,
}

impl Host {
    /// A new Envoy at `now`, in nanoseconds.
    pub(crate) fn new(now: u64, environment: Vec<String>) -> Self {
        Self {
            now,
            streams: HashMap::new(),
            current: 0,
            vm_configuration: Vec::new(),
            configuration: Vec::new(),
            environment,
            queued: Vec::new(),
            calls: Vec::new(),
            last_call: 0,
            callout: Default::default(),
            warnings: Vec::new(),
            shared: BTreeMap::new(),
            last_version: 0,
            metrics: Vec::new(),
        }
    }

    /// The stream that calls are about.
    pub(crate) fn stream(&mut self) -> Option<&mut Stream> {
        self.streams.get_mut(&self.current)
    }

    /// Gives the stream `to` the request's headers and the filter state of the stream `from`: an attempt and its
    /// request have the same.
    pub(crate) fn share_stream(&mut self, from: u32, to: u32) {
        let Some(Stream { request, properties, .. }) = self.streams.get(&from) else { return };
        let (request, properties) = (request.clone(), properties.clone());
        if let Some(stream) = self.streams.get_mut(&to) {
            (stream.request, stream.properties) = (request, properties);
        }
    }

    /// A header map of the stream.
    pub(crate) fn map(&mut self, map: u32) -> Option<&mut Pairs> {
        if map == CALLOUT_HEADERS {
            return Some(&mut self.callout.0);
        }
        let stream = self.stream()?;
        match map {
            0 => Some(&mut stream.request),
            2 => Some(&mut stream.response),
            _ => None,
        }
    }

    /// A body of the stream, or a configuration.
    pub(crate) fn buffer(&mut self, buffer: u32) -> Option<&mut Vec<u8>> {
        match buffer {
            0 => self.stream().map(|stream| &mut stream.request_body),
            1 => self.stream().map(|stream| &mut stream.response_body),
            4 => Some(&mut self.callout.1),
            6 => Some(&mut self.vm_configuration),
            7 => Some(&mut self.configuration),
            _ => None,
        }
    }

    /// A property of the stream.
    pub(crate) fn property(&mut self, path: &[u8]) -> Option<Vec<u8>> {
        // The router sends an attempt where the filter state says, under the same name.
        let path = if path == b"xds\0cluster_name" { b"wasm.farebox.cluster" } else { path };
        let path = path.strip_prefix(b"filter_state\0").unwrap_or(path);
        self.stream()?.properties.get(path).cloned()
    }

    /// A shared value and its version.
    pub(crate) fn shared(&self, key: &[u8]) -> Option<(Vec<u8>, u32)> {
        self.shared.get(key).cloned()
    }

    /// Writes a shared value: always at version zero, otherwise only over that version or where nothing is.
    pub(crate) fn share(&mut self, key: Vec<u8>, value: Vec<u8>, version: u32) -> u32 {
        if self.shared.get(&key).is_some_and(|(_, current)| version != 0 && *current != version) {
            return CAS_MISMATCH;
        }
        self.last_version += 1;
        self.shared.insert(key, (value, self.last_version));
        OK
    }

    /// The number of a metric, which is made if it is new.
    pub(crate) fn metric(&mut self, name: &[u8]) -> u32 {
        let known = self.metrics.iter().position(|(known, _)| known == name);
        let at = known.unwrap_or_else(|| {
            self.metrics.push((name.to_vec(), 0));
            self.metrics.len() - 1
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// Adds to a metric.
    pub(crate) fn measure(&mut self, metric: u32, value: u64) -> u32 {
        match self.metrics.get_mut(metric as usize) {
            Some((_, sum)) => {
                *sum = sum.saturating_add(value);
                OK
            }
            None => BAD_ARGUMENT,
        }
    }
}

/// Every value of a header becomes this one; if there is none, it is added.
pub(crate) fn replace(pairs: &mut Pairs, name: &[u8], value: &[u8]) {
    let mut kept = false;
    pairs.retain_mut(|(candidate, current)| {
        if candidate != name {
            return true;
        }
        *current = value.to_vec();
        !std::mem::replace(&mut kept, true)
    });
    if !kept {
        pairs.push((name.to_vec(), value.to_vec()));
    }
}
