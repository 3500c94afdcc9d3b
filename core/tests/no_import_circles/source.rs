//! Decides what a file imports: every path in it, outside of tests, that leads into another file of the same crate.
//!
//! A path through a re-export leads to where the item is. That a file re-exports from the modules below it is no import:
//! it only says what is public. Paths inside of macros are not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemUse, UseTree, Visibility};

use crate::circle::Imports;

/// A module by the names on the way to it; the crate itself has none.
pub(crate) type Module = Vec<String>;

/// The files of a crate.
pub(crate) struct Sources {
    files: BTreeMap<Module, File>,
}

/// What is found in one file.
#[derive(Default)]
struct File {
    /// Paths from the crate's root.
    paths: Vec<Module>,
    /// Re-exports: under which name, and of what.
    exports: BTreeMap<String, Module>,
}

impl Sources {
    /// Reads every file in a folder but tests and what only they use.
    pub(crate) fn read(root: &Path) -> Self {
        let mut texts = BTreeMap::new();
        collect(root, &mut Vec::new(), &mut texts);
        let known: BTreeSet<Module> = texts.keys().cloned().collect();
        let files = texts.iter().map(|(module, text)| (module.clone(), File::read(module, text, &known)));
        Self { files: files.collect() }
    }

    /// The modules.
    pub(crate) fn files(&self) -> Vec<&Module> {
        self.files.keys().collect()
    }

    /// What each imports of the others.
    pub(crate) fn imports(&self) -> Imports {
        let of = |(module, file): (&Module, &File)| {
            let found = file.paths.iter().map(|path| self.home(path, 0)).filter(|other| other != module);
            (module.clone(), found.collect())
        };
        self.files.iter().map(of).collect()
    }

    /// The file in which what a path names is declared.
    fn home(&self, path: &[String], depth: usize) -> Module {
        let module =
            (0..=path.len()).rev().map(|length| &path[..length]).find(|part| self.files.contains_key(*part));
        let module = module.unwrap_or(&[]).to_vec();
        let rest = &path[module.len()..];
        let exported = rest.first().and_then(|name| self.files.get(&module)?.exports.get(name));
        match exported {
            Some(export) if depth < 8 => self.home(&[export, &rest[1..]].concat(), depth + 1),
            _ => module,
        }
    }
}

/// The texts of the files in a folder, by their modules.
fn collect(folder: &Path, module: &mut Module, texts: &mut BTreeMap<Module, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if ["tests", "testing", "fake_host"].contains(&name.as_str()) {
            continue;
        }
        let is_own = matches!(name.as_str(), "mod" | "lib");
        if !is_own {
            module.push(name);
        }
        if path.is_dir() {
            collect(&path, module, texts);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            texts.insert(module.clone(), std::fs::read_to_string(&path).unwrap());
        }
        if !is_own {
            module.pop();
        }
    }
}

impl File {
    fn read(module: &Module, text: &str, known: &BTreeSet<Module>) -> Self {
        let mut reader = Reader { module: module.clone(), inline: 0, known, file: Self::default() };
        reader.visit_file(&syn::parse_file(text).unwrap());
        reader.file
    }
}

/// Goes through a file.
struct Reader<'k> {
    module: Module,
    /// How many modules that are written inside of the file it is in.
    inline: usize,
    known: &'k BTreeSet<Module>,
    file: File,
}

impl Reader<'_> {
    /// A path as it is written, from the crate's root. `None`: it is of another crate, or of the file itself.
    fn absolute(&self, path: &[String]) -> Option<Module> {
        let (first, mut rest) = path.split_first()?;
        let mut base = self.module.clone();
        match first.as_str() {
            "crate" => base.clear(),
            "self" => {}
            "super" => {
                let mut ups = 1_usize;
                while let Some((name, after)) = rest.split_first()
                    && name == "super"
                {
                    (ups, rest) = (ups + 1, after);
                }
                base.truncate(base.len().checked_sub(ups.checked_sub(self.inline)?)?);
            }
            name => {
                base.push(name.to_owned());
                return self.known.contains(&base).then(|| [&base, rest].concat());
            }
        }
        Some([&base, rest].concat())
    }

    fn take_use(&mut self, tree: &UseTree, before: &mut Module, public: bool) {
        let (name, path) = match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.take_use(&path.tree, before, public);
                before.pop();
                return;
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.take_use(tree, before, public));
                return;
            }
            UseTree::Name(name) if name.ident == "self" => (before.last().cloned(), before.clone()),
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                (Some(name.clone()), [before.as_slice(), &[name]].concat())
            }
            UseTree::Rename(rename) => {
                (Some(rename.rename.to_string()), [before.as_slice(), &[rename.ident.to_string()]].concat())
            }
            UseTree::Glob(_) => (None, before.clone()),
        };
        let Some(path) = self.absolute(&path) else { return };
        if public && let Some(name) = name {
            self.file.exports.insert(name, path.clone());
        }
        let is_below = path.len() > self.module.len() && path.starts_with(&self.module);
        if !(public && is_below) {
            self.file.paths.push(path);
        }
    }
}

/// Whether something is there for tests alone.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let list = attribute.meta.require_list().map(|list| list.tokens.to_string()).unwrap_or_default();
        let tested =
            list.starts_with("test") || list.starts_with("all (test") || list.starts_with("any (test");
        attribute.path().is_ident("test") || (attribute.path().is_ident("cfg") && tested)
    })
}

impl<'a> Visit<'a> for Reader<'_> {
    fn visit_item(&mut self, item: &'a Item) {
        let attributes = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Const(item) => &item.attrs,
            Item::Static(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        self.inline += 1;
        visit::visit_item_mod(self, item);
        self.inline -= 1;
    }

    fn visit_item_use(&mut self, item: &'a ItemUse) {
        let public = !matches!(item.vis, Visibility::Inherited);
        self.take_use(&item.tree, &mut Vec::new(), public);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let names: Module = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if names.len() > 1
            && let Some(path) = self.absolute(&names)
        {
            self.file.paths.push(path);
        }
        visit::visit_path(self, path);
    }
}
