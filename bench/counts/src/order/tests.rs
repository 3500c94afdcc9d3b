use wasm_encoder::{ConstExpr, ElementSection, Elements, ExportKind, ExportSection, Function, Instruction};
use wasm_encoder::{RefType, TableSection, TableType, TypeSection, ValType};
use wasmi::{Engine, Linker, Store};

use super::*;
use crate::outline::Outline;

/// A module of which the function `run` (number 1) calls `one` (number 0) by its number and `ten` (number 2) by a table.
fn module() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], [ValType::I32]);
    types.ty().function([ValType::I32], [ValType::I32]);
    let mut functions = FunctionSection::new();
    functions.function(0).function(1).function(0);
    let mut tables = TableSection::new();
    let kind = RefType::FUNCREF;
    tables.table(TableType { element_type: kind, table64: false, minimum: 1, maximum: None, shared: false });
    let mut exports = ExportSection::new();
    exports.export("run", ExportKind::Func, 1);
    let mut elements = ElementSection::new();
    elements.active(None, &ConstExpr::i32_const(0), Elements::Functions((&[2][..]).into()));
    let body = |instructions: &[Instruction<'_>]| {
        let mut function = Function::new([]);
        instructions.iter().for_each(|instruction| {
            function.instruction(instruction);
        });
        function.instruction(&Instruction::End);
        function
    };
    let mut code = CodeSection::new();
    code.function(&body(&[Instruction::I32Const(1)]))
        .function(&body(&[
            Instruction::LocalGet(0),
            Instruction::Call(0),
            Instruction::I32Add,
            Instruction::I32Const(0),
            Instruction::CallIndirect { type_index: 0, table_index: 0 },
            Instruction::I32Add,
        ]))
        .function(&body(&[Instruction::I32Const(10)]));
    let mut named = NameMap::new();
    ["one", "run", "ten"].iter().zip(0..).for_each(|(name, number)| named.append(number, name));
    let mut names = NameSection::new();
    names.functions(&named);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&tables).section(&exports).section(&elements);
    module.section(&code).section(&names);
    module.finish()
}

fn run(module: &[u8]) -> i32 {
    let engine = Engine::default();
    let compiled = wasmi::Module::new(&engine, module).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate_and_start(&mut store, &compiled).unwrap();
    instance.get_typed_func::<i32, i32>(&store, "run").unwrap().call(&mut store, 100).unwrap()
}

#[test]
fn a_module_in_any_order_does_the_same_and_its_functions_keep_their_names() {
    for (scenarios, names) in [
        ([0, 0, 0], ["one", "run", "ten"]),
        ([1, 2, 3], ["ten", "run", "one"]),
        ([3, 1, 2], ["one", "ten", "run"]),
        ([0, 7, 7], ["run", "ten", "one"]),
    ] {
        let order = Order::of(0, &scenarios);
        let ordered = order.write(&module()).unwrap();
        assert_eq!(Outline::read(&ordered).unwrap().names, names, "{scenarios:?}");
        assert_eq!(order.arrange(&["one", "run", "ten"]), names, "{scenarios:?}");
        assert_eq!(run(&ordered), 111, "{scenarios:?}");
    }
}

#[test]
fn what_is_no_module_is_not_arranged() {
    assert!(Order::of(0, &[1]).write(b"no module").is_err());
}
