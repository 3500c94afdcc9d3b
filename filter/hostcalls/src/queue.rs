//! Decides how a worker calls itself in its next turn: a shared queue that only it knows.
//!
//! A queue calls the root context that registered it last, on the thread of that. When the context is gone, it calls
//! nobody any more, so it is registered anew each time: a stream's root context lives at least as long as the stream.

use core::cell::OnceCell;

use super::{Result, abi, bytes, ok, random};

/// The queue of one VM. There is none before it is first used: a trial VM never needs one, and queues stay for ever.
#[derive(Debug, Default)]
pub struct Queue {
    name: OnceCell<String>,
}

impl Queue {
    /// Has `on_queue_ready` called, in the root context of what runs now and not before it has ended.
    pub fn call_me(&self) -> Result<()> {
        let name = match self.name.get() {
            Some(name) => name,
            None => {
                let name = format!("farebox.{:016x}", random()?);
                self.name.get_or_init(|| name)
            }
        };
        let mut id = 0;
        // SAFETY: pointer and size of a live slice; pointer to a live local.
        ok(unsafe { abi::proxy_register_shared_queue(name.as_ptr(), name.len(), &raw mut id) })?;
        let note = b"1";
        // SAFETY: pointer and size of a live slice.
        ok(unsafe { abi::proxy_enqueue_shared_queue(id, note.as_ptr(), note.len()) })
    }
}

/// Takes everything out of a queue. Nothing that is in it says more than that it was called.
pub fn empty(id: u32) {
    // SAFETY: `bytes` passes pointers to live locals.
    while bytes(|data, size| unsafe { abi::proxy_dequeue_shared_queue(id, data, size) }).is_ok() {}
}
