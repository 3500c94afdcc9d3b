use wasm_encoder::{BlockType, FunctionSection, TypeSection};
use wasmi::{Engine, Linker, Store};
use wasmparser::KnownCustom;

use super::*;

/// A module whose function `run` comes to three branches: its parameter decides on the first two, nothing on the third,
/// which is never come to.
fn module() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut globals = GlobalSection::new();
    let kind = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    globals.global(kind, &ConstExpr::i32_const(0));
    let mut exports = ExportSection::new();
    exports.export("run", ExportKind::Func, 0);
    let mut run = Function::new([(1, ValType::I32)]);
    run.instruction(&Instruction::Block(BlockType::Empty))
        .instruction(&Instruction::LocalGet(0))
        .instruction(&Instruction::BrIf(0))
        .instruction(&Instruction::LocalGet(0))
        .instruction(&Instruction::I32Eqz)
        .instruction(&Instruction::If(BlockType::Empty))
        .instruction(&Instruction::Return)
        .instruction(&Instruction::End)
        .instruction(&Instruction::I32Const(1))
        .instruction(&Instruction::BrIf(0))
        .instruction(&Instruction::End)
        .instruction(&Instruction::End);
    let mut code = CodeSection::new();
    code.function(&run);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&globals).section(&exports).section(&code);
    module.finish()
}

/// What the branches of `module()` come to when `run` is called with these.
fn taken(arguments: &[i32]) -> Vec<Taken> {
    let engine = Engine::default();
    let counting = wasmi::Module::new(&engine, &*count(&module()).unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate_and_start(&mut store, &counting).unwrap();
    let run = instance.get_typed_func::<i32, ()>(&store, "run").unwrap();
    arguments.iter().for_each(|&argument| run.call(&mut store, argument).unwrap());
    let read = |name: &String| Some(instance.get_global(&store, name)?.get(&store).i64()?.cast_unsigned());
    let each = |branch| {
        let [seen, taken] = &counters(branch);
        Some(Taken { seen: read(seen)?, taken: read(taken)? })
    };
    (0..).map_while(each).collect()
}

/// The operators of which something is said, and what.
fn hints(module: &[u8]) -> Vec<(String, u8)> {
    let (mut hints, mut found) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload.unwrap() {
            Payload::CustomSection(section) => {
                if let KnownCustom::BranchHints(functions) = section.as_known() {
                    for function in functions {
                        let function = function.unwrap();
                        hints.extend(function.hints.into_iter().map(|hint| hint.unwrap()));
                    }
                }
            }
            Payload::CodeSectionEntry(body) => {
                let start = body.range().start;
                for operator in body.get_operators_reader().unwrap().into_iter_with_offsets() {
                    let (operator, at) = operator.unwrap();
                    let said = hints.iter().find(|hint| hint.func_offset as usize == at - start);
                    found.extend(said.map(|hint| (format!("{operator:?}"), u8::from(hint.taken))));
                }
            }
            _ => {}
        }
    }
    found
}

#[test]
fn branches_are_counted_as_they_are_taken() {
    let counted = taken(&[1, 1, 0, 7]);
    let counted: Vec<_> = counted.iter().map(|Taken { seen, taken }| (*seen, *taken)).collect();
    assert_eq!(counted, [(4, 3), (1, 1), (0, 0)]);
}

#[test]
fn a_hint_stands_at_its_branch_and_says_which_way_it_nearly_always_went() {
    let (hinted, count) = hint(&module(), &taken(&[0; 20])).unwrap();
    assert_eq!(count, 2);
    let [first, second] = &hints(&hinted)[..] else { panic!("two hints") };
    assert!(first.0.starts_with("BrIf") && first.1 == 0, "{first:?}");
    assert!(second.0.starts_with("If") && second.1 == 1, "{second:?}");
    wasmi::Module::new(&Engine::default(), &*hinted).unwrap();
}

#[test]
fn nothing_is_said_of_a_branch_that_goes_both_ways_or_was_never_come_to() {
    let (hinted, count) = hint(&module(), &taken(&[0, 1])).unwrap();
    assert_eq!(count, 1);
    assert!(hints(&hinted)[0].0.starts_with("If"));
    assert_eq!(hint(&module(), &[]).unwrap().1, 0);
}
