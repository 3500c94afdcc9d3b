//! Decides which configuration the streams of a VM use.
//!
//! `on_configure` runs in every worker, on the main thread and in a trial VM besides, for every push, so it
//! touches nothing that is shared. A configuration with a mistake is refused as a whole: Envoy then does
//! not start, or keeps serving with the one before.

use std::rc::Rc;

use farebox_core::config::Config;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::attempt::AttemptFilter;
use crate::gateway::Gateway;
use crate::gateway::stream::Stream;
use crate::vm::{Role, Vm};
use farebox_hostcalls::{self as host, Buffer};

/// The root context of one configuration: Envoy makes another one in the same VM when it pushes another.
#[derive(Debug)]
pub(crate) struct Root {
    config: Option<Rc<Config>>,
    vm: Rc<Vm>,
    /// How often it ticks, in milliseconds.
    tick_ms: u32,
}

impl Root {
    /// A root context without a configuration, in the VM of `worker`.
    pub(crate) fn new(vm: Rc<Vm>) -> Self {
        Self { config: None, vm, tick_ms: 0 }
    }

    fn tick_every(&mut self, tick_ms: u32) -> host::Result<()> {
        self.tick_ms = tick_ms;
        host::tick_every(tick_ms)
    }
}

impl Context for Root {
    fn on_done(&mut self) -> bool {
        // Envoy keeps the timer of a root context that is gone, and wakes up for it twice a second in every worker, until
        // it is restarted. What is left to do another root context does: ticks are for the worker.
        if let Err(error) = host::tick_every(0) {
            log::error!("the timer of a configuration that is gone goes on: {error}");
        }
        true
    }

    fn on_http_call_response(&mut self, token: u32, _: usize, body_size: usize, _: usize) {
        self.vm.on_answer(token, body_size, host::now());
    }
}

impl RootContext for Root {
    fn on_vm_start(&mut self, size: usize) -> bool {
        let role = host::buffer(Buffer::VmConfiguration, 0, size).unwrap_or_default();
        match Role::read(&role) {
            Some(role) => {
                self.vm.role.set(role);
                true
            }
            None => {
                log::error!("configuration refused: vm_config.configuration must be empty or \"attempt\"");
                false
            }
        }
    }

    fn on_configure(&mut self, size: usize) -> bool {
        let json = host::buffer(Buffer::PluginConfiguration, 0, size).unwrap_or_default();
        #[allow(clippy::disallowed_methods, reason = "this is where secrets are resolved")]
        let parsed = Config::parse(&json, |name| std::env::var(name).ok());
        match parsed {
            Ok(config) => {
                log::info!(
                    "configuration {:016x}: {} keys, {} providers, {} models, {} budgets",
                    config.hash,
                    config.keys.len(),
                    config.providers.len(),
                    config.aliases.len() + config.patterns.len(),
                    config.budgets.len()
                );
                let config = Rc::new(config);
                self.vm.add(&config);
                if let Err(error) = self.tick_every(self.vm.tick_ms()) {
                    log::error!("configuration refused: there is no timer: {error}");
                    return false;
                }
                if self.vm.role.get() == Role::Attempt {
                    // Requests may come before the first tick. To say it once more changes nothing.
                    self.vm.look_behind(&config, host::now());
                }
                self.config = Some(config);
                true
            }
            Err(errors) => {
                for error in &errors.0 {
                    log::error!("configuration refused: {error}");
                }
                false
            }
        }
    }

    fn on_tick(&mut self) {
        let now = host::now();
        // Calls to the ledger belong to this context, and what comes after may enter streams.
        self.vm.call(now);
        if let Some(config) = &self.config {
            self.vm.tick(config, now);
        }
        let tick_ms = self.vm.tick_ms();
        if tick_ms != self.tick_ms
            && let Err(error) = self.tick_every(tick_ms)
        {
            log::error!("the timer stays as it is: {error}");
        }
    }

    fn on_queue_ready(&mut self, queue: u32) {
        self.vm.on_queue_ready(queue, host::now());
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        // Envoy makes no stream before it has a configuration; were there one, it must not pass unchecked.
        let (config, vm) = (self.config.clone(), Rc::clone(&self.vm));
        Some(match self.vm.role.get() {
            Role::Gateway => Box::new(Stream::Own(Gateway::new(context, config, vm))),
            Role::Attempt => Box::new(AttemptFilter::new(config, vm)),
        })
    }
}
