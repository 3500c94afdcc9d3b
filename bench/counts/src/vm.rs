//! A VM with the filter in it: calls the filter's callbacks and says what each cost.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use wasmi::{Engine, ExternType, Global, Instance, Linker, Module, Store, Val};

use crate::boundary::Inside;
use crate::branches::{self, Taken};
use crate::host::Host;
use crate::instrument::{self, Instrumented};
use crate::tally::Tally;
use crate::{abi, callout, wasi};

/// Bytes of a page of memory.
const PAGE: u64 = 64 * 1024;

/// The filter, ready to be put into VMs.
#[derive(Debug)]
pub(crate) struct Code {
    engine: Engine,
    module: Module,
    names: Vec<String>,
}

impl Code {
    /// Compiles a module in which counters have been written.
    ///
    /// # Errors
    ///
    /// It is no valid module.
    pub(crate) fn new(instrumented: Instrumented) -> Result<Self, Fault> {
        let engine = Engine::default();
        let module = Module::new(&engine, &*instrumented.module)?;
        Ok(Self { engine, module, names: instrumented.names })
    }
}

/// One VM.
#[derive(Debug)]
pub(crate) struct Vm {
    store: Store<Inside>,
    instance: Instance,
    instructions: Global,
    moved: Global,
    allocations: Global,
}

/// What a function of the module has executed since its VM began.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) entered: u64,
    /// Instructions of its own, and with those of what it called directly.
    pub(crate) own: u64,
    pub(crate) total: u64,
}

impl Vm {
    /// Makes a VM and lets the module initialize itself.
    ///
    /// # Errors
    ///
    /// The module asks for what no Envoy has, or its beginning fails.
    pub(crate) fn new(code: &Code, host: &Rc<RefCell<Host>>) -> Result<(Self, Tally), Fault> {
        let inside = Inside { host: Rc::clone(host), tally: Tally::default(), allocate: None };
        let mut store = Store::new(&code.engine, inside);
        let mut linker = Linker::new(&code.engine);
        refuse(&mut linker, &code.module)?;
        linker.allow_shadowing(true);
        abi::define(&mut linker)?;
        callout::define(&mut linker)?;
        wasi::define(&mut linker)?;
        let instance = linker.instantiate_and_start(&mut store, &code.module)?;
        store.data_mut().allocate = Some(instance.get_typed_func(&store, "proxy_on_memory_allocate")?);
        let global = |name| instance.get_global(&store, name).ok_or(Fault::Missing(name));
        let (instructions, moved) = (global(instrument::INSTRUCTIONS)?, global(instrument::MOVED)?);
        let allocations = global(instrument::ALLOCATIONS)?;
        let mut vm = Self { store, instance, instructions, moved, allocations };
        let (_, tally) = vm.call("_initialize", &[])?;
        Ok((vm, tally))
    }

    /// Calls a function that the module exports. What it returns is zero if it returns nothing.
    ///
    /// # Errors
    ///
    /// There is no such function, or it ended the module.
    pub(crate) fn call(&mut self, name: &'static str, arguments: &[u32]) -> Result<(u32, Tally), Fault> {
        let function = self.instance.get_func(&self.store, name).ok_or(Fault::Missing(name))?;
        let arguments: Vec<Val> =
            arguments.iter().map(|&argument| Val::I32(argument.cast_signed())).collect();
        let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
        let before = (self.count(self.instructions), self.count(self.moved), self.count(self.allocations));
        function.call(&mut self.store, &arguments, &mut results)?;
        let mut tally = std::mem::take(&mut self.store.data_mut().tally);
        tally.instructions = self.count(self.instructions) - before.0;
        tally.moved = self.count(self.moved) - before.1;
        tally.allocations = self.count(self.allocations) - before.2;
        let result = results.first().and_then(Val::i32).unwrap_or(0);
        Ok((result.cast_unsigned(), tally))
    }

    /// How many pages of memory the module has.
    pub(crate) fn pages(&self) -> u64 {
        let memory = self.instance.get_memory(&self.store, "memory");
        memory.map_or(0, |memory| memory.data_size(&self.store) as u64 / PAGE)
    }

    /// What every function has executed, if that is counted.
    pub(crate) fn functions(&self, code: &Code) -> Vec<Function> {
        let read = |name: &str| self.instance.get_global(&self.store, name).map(|global| self.count(global));
        let known = (0..).zip(&code.names).filter_map(|(number, name)| {
            Some(Function {
                name: name.clone(),
                entered: read(&instrument::entered(number))?,
                own: read(&instrument::own(number))?,
                total: read(&instrument::total(number))?,
            })
        });
        known.collect()
    }

    /// How often every branch was taken, if that is counted.
    pub(crate) fn branches(&self) -> Vec<Taken> {
        let read =
            |name: &String| self.instance.get_global(&self.store, name).map(|global| self.count(global));
        let known = (0..).map_while(|branch| {
            let [seen, taken] = &branches::counters(branch);
            Some(Taken { seen: read(seen)?, taken: read(taken)? })
        });
        known.collect()
    }

    fn count(&self, global: Global) -> u64 {
        global.get(&self.store).i64().unwrap_or(0).cast_unsigned()
    }
}

/// Defines everything that the module imports as a function that ends the run if it is called.
fn refuse(linker: &mut Linker<Inside>, module: &Module) -> Result<(), wasmi::Error> {
    for import in module.imports() {
        if let ExternType::Func(kind) = import.ty() {
            let called = format!("{} was called, which the filter does not use", import.name());
            linker.func_new(import.module(), import.name(), kind.clone(), move |_, _, _| {
                Err(wasmi::Error::new(called.clone()))
            })?;
        }
    }
    Ok(())
}

/// Why a callback, or a whole VM, could not be run.
#[derive(Debug)]
pub(crate) enum Fault {
    Module(wasmi::Error),
    /// The module does not export this.
    Missing(&'static str),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Module(error) => write!(f, "the filter failed: {error}"),
            Self::Missing(name) => write!(f, "the filter exports no {name}"),
        }
    }
}

impl From<wasmi::Error> for Fault {
    fn from(error: wasmi::Error) -> Self {
        Self::Module(error)
    }
}
