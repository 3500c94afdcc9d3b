use wasm_encoder::{
    BlockType, FunctionSection, MemorySection, MemoryType, NameMap, NameSection, TypeSection,
};
use wasmi::{Engine, Linker, Store};

use super::*;

/// A module with the functions `GlobalAlloc>::alloc`, which does nothing, and `run`, of one parameter and with this body; or with
/// functions that have no names.
fn module(body: &[Instruction<'_>], named: bool) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], []);
    let mut functions = FunctionSection::new();
    functions.function(0).function(0);
    let mut memory = MemorySection::new();
    memory.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut globals = GlobalSection::new();
    let kind = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    globals.global(kind, &ConstExpr::i32_const(0));
    let mut exports = ExportSection::new();
    exports.export("run", ExportKind::Func, 1);
    let mut code = CodeSection::new();
    let mut alloc = Function::new([]);
    alloc.instruction(&Instruction::End);
    // A local of its own, behind which the counters' locals have to be.
    let mut run = Function::new([(1, ValType::I32)]);
    body.iter().for_each(|instruction| {
        run.instruction(instruction);
    });
    code.function(&alloc).function(run.instruction(&Instruction::End));
    let mut functions_named = NameMap::new();
    functions_named.append(0, "<a as GlobalAlloc>::alloc");
    functions_named.append(1, "run");
    let mut names = NameSection::new();
    names.functions(&functions_named);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memory).section(&globals).section(&exports);
    module.section(&code);
    if named {
        module.section(&names);
    }
    module.finish()
}

/// Runs `run` with this argument and returns instructions, moved bytes and allocations.
fn counts(body: &[Instruction<'_>], argument: i32) -> [i64; 3] {
    let plain = instrument(&module(body, true), false).unwrap();
    let detailed = instrument(&module(body, true), true).unwrap();
    let read = |code: &Instrumented, names: &[&str]| -> Vec<i64> {
        let engine = Engine::default();
        let compiled = wasmi::Module::new(&engine, &*code.module).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate_and_start(&mut store, &compiled).unwrap();
        instance.get_typed_func::<i32, ()>(&store, "run").unwrap().call(&mut store, argument).unwrap();
        names
            .iter()
            .map(|name| instance.get_global(&store, name).unwrap().get(&store).i64().unwrap())
            .collect()
    };
    let names = [INSTRUCTIONS, MOVED, ALLOCATIONS];
    let counts = read(&plain, &names);
    assert_eq!(read(&detailed, &names), counts, "counting by function changes nothing");
    let owns = [own(0), own(1)];
    let owns = read(&detailed, &owns.each_ref().map(String::as_str));
    assert_eq!(owns.iter().sum::<i64>(), counts[0], "every instruction is some function's own");
    counts.try_into().unwrap()
}

#[test]
fn a_loop_counts_as_often_as_it_is_run() {
    let body = [
        Instruction::Loop(BlockType::Empty),
        Instruction::LocalGet(0),
        Instruction::I32Const(1),
        Instruction::I32Sub,
        Instruction::LocalTee(0),
        Instruction::BrIf(0),
        Instruction::End,
    ];
    assert_eq!(counts(&body, 1), [5, 0, 0]);
    assert_eq!(counts(&body, 1000), [5000, 0, 0]);
}

#[test]
fn what_a_jump_leaves_out_is_not_counted() {
    let body = [
        Instruction::Block(BlockType::Empty),
        Instruction::LocalGet(0),
        Instruction::BrIf(0),
        Instruction::Nop,
        Instruction::I32Const(7),
        Instruction::LocalSet(1),
        Instruction::Return,
        Instruction::End,
        Instruction::I32Const(8),
        Instruction::LocalSet(1),
    ];
    assert_eq!(counts(&body, 0), [5, 0, 0]);
    assert_eq!(counts(&body, 1), [4, 0, 0]);
}

#[test]
fn of_two_arms_the_one_that_runs_is_counted() {
    let body = [
        Instruction::LocalGet(0),
        Instruction::If(BlockType::Empty),
        Instruction::I32Const(7),
        Instruction::LocalSet(1),
        Instruction::Else,
        Instruction::I32Const(7),
        Instruction::I32Const(8),
        Instruction::I32Add,
        Instruction::LocalSet(1),
        Instruction::End,
    ];
    assert_eq!((counts(&body, 1)[0], counts(&body, 0)[0]), (4, 6));
}

#[test]
fn copied_and_filled_bytes_are_counted_apart() {
    let body = [
        Instruction::I32Const(0),
        Instruction::I32Const(5),
        Instruction::LocalGet(0),
        Instruction::MemoryFill(0),
        Instruction::I32Const(2000),
        Instruction::I32Const(0),
        Instruction::I32Const(30),
        Instruction::MemoryCopy { src_mem: 0, dst_mem: 0 },
    ];
    assert_eq!(counts(&body, 1000), [8, 1030, 0]);
}

#[test]
fn calls_of_the_allocator_are_counted() {
    let body =
        [Instruction::LocalGet(0), Instruction::Call(0), Instruction::LocalGet(0), Instruction::Call(0)];
    assert_eq!(counts(&body, 16), [4, 0, 2]);
}

#[test]
fn what_has_no_names_or_is_no_module_is_refused() {
    let nameless = instrument(&module(&[], false), false).unwrap_err().to_string();
    assert_eq!(nameless, "no function is named …GlobalAlloc>::alloc, so allocations cannot be counted");
    let json = instrument(b"{}", false).unwrap_err().to_string();
    assert!(json.starts_with("the module cannot be read: "), "{json}");
}
