//! One hostcall on its way over the boundary: every byte that is read or written for it is counted here.
//!
//! What the filter is handed stands in a block that its own `proxy_on_memory_allocate` made, as in Envoy.

use std::cell::RefCell;
use std::rc::Rc;

use wasmi::{Caller, Error, Extern, Memory, TypedFunc};

use crate::host::Host;
use crate::tally::{Crossings, Tally};

/// What belongs to one VM while it runs.
#[derive(Debug)]
pub(crate) struct Inside {
    pub(crate) host: Rc<RefCell<Host>>,
    pub(crate) tally: Tally,
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,
}

/// A hostcall.
pub(crate) struct Boundary<'a> {
    caller: Caller<'a, Inside>,
    memory: Memory,
    name: &'static str,
}

impl<'a> Boundary<'a> {
    /// Counts a call of `name`.
    ///
    /// # Errors
    ///
    /// The module has no memory.
    pub(crate) fn cross(mut caller: Caller<'a, Inside>, name: &'static str) -> Result<Self, Error> {
        let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
            return Err(Error::new("the module exports no memory"));
        };
        caller.data_mut().tally.hostcalls.entry(name).or_default().calls += 1;
        Ok(Self { caller, memory, name })
    }

    /// Has `act` ask or tell the host.
    pub(crate) fn host<T>(&self, act: impl FnOnce(&mut Host) -> T) -> T {
        act(&mut self.caller.data().host.borrow_mut())
    }

    fn crossings(&mut self) -> &mut Crossings {
        self.caller.data_mut().tally.hostcalls.entry(self.name).or_default()
    }

    /// Reads bytes that the module passes.
    pub(crate) fn given(&mut self, at: u32, size: u32) -> Result<Vec<u8>, Error> {
        let start = at as usize;
        let bytes = self.memory.data(&self.caller).get(start..start.saturating_add(size as usize));
        let bytes = bytes.ok_or_else(|| Error::new("bytes outside of the memory were passed"))?.to_vec();
        self.crossings().out += u64::from(size);
        Ok(bytes)
    }

    /// Writes a fixed number of bytes to where the module wants them.
    pub(crate) fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Error> {
        self.memory
            .write(&mut self.caller, at as usize, bytes)
            .map_err(|_| Error::new("a result does not fit into the memory"))?;
        self.crossings().into += bytes.len() as u64;
        Ok(())
    }

    /// Hands bytes over in a block of exactly that size; nothing at all is no block.
    pub(crate) fn hand_over(&mut self, bytes: &[u8], data: u32, size: u32) -> Result<(), Error> {
        let length = u32::try_from(bytes.len()).map_err(|_| Error::new("more than 4 GiB were asked for"))?;
        let block = if length == 0 {
            0
        } else {
            self.caller.data_mut().tally.handed_over += 1;
            let allocate = self.caller.data().allocate;
            let allocate = allocate.ok_or_else(|| Error::new("the module has no allocator yet"))?;
            allocate.call(&mut self.caller, length)?
        };
        self.write(block, bytes)?;
        self.write(data, &block.to_le_bytes())?;
        self.write(size, &length.to_le_bytes())
    }
}
