//! One worker's VM: the root contexts that Envoy makes in it, one for every configuration.

use core::cell::RefCell;
use std::panic;
use std::rc::{Rc, Weak};
use std::sync::Once;

use proxy_wasm::traits::{Context as _, HttpContext, RootContext};
use proxy_wasm::types::LogLevel;

use super::{HttpCall, Stream, Upstream, callouts, reset, with};
use crate::root::Root;
use crate::vm::Vm;

/// The VM of one worker. Shared data belongs to all that one test starts.
pub(crate) struct FakeVm {
    id: u32,
    pub(crate) vm: Rc<Vm>,
    current: RefCell<Rc<RefCell<Root>>>,
    /// Root contexts of earlier configurations, which live as long as their streams.
    earlier: RefCell<Vec<Weak<RefCell<Root>>>>,
}

impl FakeVm {
    /// The first worker of a new Envoy with this configuration, which it must accept.
    pub(crate) fn start(config: &str) -> Self {
        reset();
        log_to_the_host();
        Self::another(config)
    }

    /// The first worker of a new Envoy that has not configured the filter yet.
    pub(crate) fn without_a_configuration() -> Self {
        reset();
        Self::empty()
    }

    /// The VM behind the router of the same Envoy.
    pub(crate) fn behind_the_router(config: &str) -> Self {
        let vm = Self::empty();
        assert!(vm.take_role(b"attempt") && vm.push(config), "{:?}", super::logs());
        vm
    }

    /// Tells the VM what it is; says whether it understands.
    pub(crate) fn take_role(&self, role: &[u8]) -> bool {
        with(|host| host.vm_configuration = role.to_vec());
        self.current.borrow().borrow_mut().on_vm_start(role.len())
    }

    /// The next attempt to send what the gateway let through.
    pub(crate) fn attempt(&self, stream: &Stream) -> Upstream {
        let root = Rc::clone(&self.current.borrow());
        let id = with(super::Host::new_context);
        let context: Box<dyn HttpContext> = root.borrow().create_http_context(id).unwrap();
        Upstream::new(id, context, stream)
    }

    /// A worker of the same Envoy that has not configured the filter yet.
    pub(crate) fn empty() -> Self {
        let (id, vm) = (with(super::Host::new_vm), Rc::default());
        let root = Rc::new(RefCell::new(Root::new(Rc::clone(&vm))));
        Self { id, vm, current: RefCell::new(root), earlier: RefCell::default() }
    }

    /// Another worker of the same Envoy.
    pub(crate) fn another(config: &str) -> Self {
        let vm = Self::empty();
        assert!(vm.push(config), "{:?}", super::logs());
        vm
    }

    /// Pushes a configuration; says whether it was accepted. If not, the one before goes on.
    pub(crate) fn push(&self, config: &str) -> bool {
        let root = Rc::new(RefCell::new(Root::new(Rc::clone(&self.vm))));
        let accepted = configure(&root, config);
        if accepted {
            let before = self.current.replace(root);
            self.earlier.borrow_mut().push(Rc::downgrade(&before));
        }
        accepted
    }

    /// Configures the current root context once more, as Envoy does not; says whether it accepts.
    pub(crate) fn configure_again(&self, config: &str) -> bool {
        configure(&self.current.borrow(), config)
    }

    /// A new stream.
    pub(crate) fn stream(&self) -> Stream {
        let root = Rc::clone(&self.current.borrow());
        let id = with(|host| {
            let id = host.new_context();
            host.streams.insert(id, Default::default());
            id
        });
        let context: Box<dyn HttpContext> = root.borrow().create_http_context(id).unwrap();
        Stream::new(id, self.id, context, root)
    }

    /// Takes the current root context away, as Envoy does when nobody uses its configuration any more; says whether it
    /// lets that happen at once.
    pub(crate) fn end(&self) -> bool {
        with(|host| host.current = 0);
        self.current.borrow().borrow_mut().on_done()
    }

    /// Has the timer of every root context fire.
    pub(crate) fn tick(&self) {
        let earlier: Vec<_> = self.earlier.borrow().iter().filter_map(Weak::upgrade).collect();
        for root in earlier.iter().chain([&*self.current.borrow()]) {
            self.enter_root();
            root.borrow_mut().on_tick();
        }
    }

    /// Has the worker take its next turn: queues call it. Says whether any did.
    pub(crate) fn turn(&self) -> bool {
        let mut called = false;
        while let Some(queue) = callouts::next_queue_call(self.id) {
            called = true;
            self.enter_root();
            self.current.borrow().borrow_mut().on_queue_ready(queue);
        }
        called
    }

    /// The calls to other clusters that have no answer yet.
    pub(crate) fn calls(&self) -> Vec<HttpCall> {
        callouts::http_calls(self.id)
    }

    /// Has a call answered; `None`: the connection breaks.
    pub(crate) fn answer_call(&self, token: u32, status: Option<u16>, body: &[u8]) {
        let (count, size) = callouts::begin_answer(token, status, body);
        self.enter_root();
        self.current.borrow().borrow_mut().on_http_call_response(token, count, size, 0);
        with(|host| host.callout = Default::default());
    }

    fn enter_root(&self) {
        with(|host| (host.current, host.vm) = (0, self.id));
    }
}

fn configure(root: &RefCell<Root>, config: &str) -> bool {
    with(|host| {
        host.configuration = config.as_bytes().to_vec();
        host.current = 0;
    });
    root.borrow_mut().on_configure(config.len())
}

/// Has the SDK's logger call the host, without the SDK's hook that would hide a test's panic there.
fn log_to_the_host() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = panic::take_hook();
        proxy_wasm::set_log_level(LogLevel::Info);
        panic::set_hook(hook);
    });
}
