//! Decides where small blocks of memory come from: from those of the same size that were given back.
//!
//! A request allocates some fifty times, nearly always less than a kilobyte, and the allocator of wasi-libc takes some
//! two hundred instructions for a block and its return. A list for each size takes ten. Larger blocks are its business
//! still, and so are the chunks that small ones are cut from, which are never given back.
//!
//! One thread alone may use it: a VM of Envoy's has no other.

#![allow(unsafe_code, reason = "an allocator hands out raw memory")]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::null_mut;

/// Sizes are rounded up to a multiple of this, which is also what every block is aligned to, in bytes.
const STEP: usize = 16;
/// The largest small block, in bytes.
const LARGEST: usize = 1024;
/// What small blocks are cut from, in bytes.
const CHUNK: usize = 16 * 1024;
const CLASSES: usize = LARGEST / STEP;

/// An allocator for one thread, over another.
#[derive(Debug)]
pub struct SizeClasses<A> {
    below: A,
    lists: UnsafeCell<Lists>,
}

/// A block that was given back; its first bytes say which one is next.
#[derive(Debug)]
struct Free {
    next: *mut Self,
}

#[derive(Debug)]
struct Lists {
    free: [*mut Free; CLASSES],
    /// What is left of the newest chunk.
    rest: *mut u8,
    left: usize,
}

// SAFETY: there is one thread, as the module says.
unsafe impl<A> Sync for SizeClasses<A> {}

impl<A> SizeClasses<A> {
    /// An allocator that takes what it cuts up, and all that is large, from `below`.
    pub const fn over(below: A) -> Self {
        let lists = Lists { free: [null_mut(); CLASSES], rest: null_mut(), left: 0 };
        Self { below, lists: UnsafeCell::new(lists) }
    }
}

/// Which list blocks of this layout are kept in. `None`: in none, it is not small.
#[inline]
fn class(layout: Layout) -> Option<usize> {
    let is_small = layout.size().wrapping_sub(1) < LARGEST && layout.align() <= STEP;
    is_small.then(|| (layout.size() - 1) / STEP)
}

// SAFETY: a block is handed out once until it is given back, is aligned to `STEP` and has the size of its class, which
// is no less than the layout's. What is larger keeps the promises of the allocator below.
unsafe impl<A: GlobalAlloc> GlobalAlloc for SizeClasses<A> {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(class) = class(layout) else {
            // SAFETY: the caller's promise is the same.
            return unsafe { self.below.alloc(layout) };
        };
        // SAFETY: nobody else uses the lists, since there is one thread and nothing here calls back.
        let lists = unsafe { &mut *self.lists.get() };
        if let Some(list) = lists.free.get_mut(class)
            && !list.is_null()
        {
            let block = *list;
            // SAFETY: what is in a list is a free block, which begins with the next one.
            *list = unsafe { (*block).next };
            return block.cast();
        }
        let size = (class + 1) * STEP;
        if lists.left < size {
            // SAFETY: a chunk is not empty, and its alignment is a power of two.
            let chunk = unsafe { self.below.alloc(Layout::from_size_align_unchecked(CHUNK, STEP)) };
            if chunk.is_null() {
                return chunk;
            }
            (lists.rest, lists.left) = (chunk, CHUNK);
        }
        let block = lists.rest;
        lists.left -= size;
        // SAFETY: so many bytes are left of the chunk.
        lists.rest = unsafe { block.add(size) };
        block
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(class) = class(layout) else {
            // SAFETY: the caller's promise is the same.
            return unsafe { self.below.dealloc(block, layout) };
        };
        // SAFETY: as above.
        let lists = unsafe { &mut *self.lists.get() };
        if let Some(list) = lists.free.get_mut(class) {
            let block: *mut Free = block.cast();
            // SAFETY: the block has room for a pointer, is aligned for one, and is nobody's any more.
            unsafe { block.write(Free { next: *list }) };
            *list = block;
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller says that `size` is not zero and fits a layout of this alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (class(layout), class(wanted)) {
            // SAFETY: the caller's promise is the same.
            (None, None) => unsafe { self.below.realloc(block, layout, size) },
            (before, after) if before == after => block,
            _ => {
                // SAFETY: the caller's promise; both blocks have so many bytes, and are two.
                unsafe {
                    let moved = self.alloc(wanted);
                    if !moved.is_null() {
                        moved.copy_from_nonoverlapping(block, layout.size().min(size));
                        self.dealloc(block, layout);
                    }
                    moved
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::System;

    use super::*;
    use proptest::prelude::*;

    /// A block that is in use, with what was written into it.
    struct Block(*mut u8, Layout, u8);

    impl Block {
        fn holds(&self, bytes: usize) -> bool {
            // SAFETY: the block is in use and has so many bytes.
            (0..bytes).all(|at| unsafe { self.0.add(at).read() } == self.2)
        }
    }

    #[test]
    fn a_block_that_was_given_back_is_the_next_one_of_its_size() {
        let memory = SizeClasses::over(System);
        let layout = Layout::from_size_align(40, 8).unwrap();
        let near = Layout::from_size_align(33, 1).unwrap();
        // SAFETY: layouts are not empty, and each block is given back once.
        unsafe {
            let first = memory.alloc(layout);
            memory.dealloc(first, layout);
            assert_eq!(memory.alloc(near), first);
            assert_ne!(memory.alloc(near), first);
        }
    }

    proptest! {
        #[test]
        fn no_two_blocks_share_a_byte_and_none_loses_what_was_written(
            steps in prop::collection::vec((0u8..4, 1usize..3_000, 0u32..5, any::<prop::sample::Index>()), 1..200),
        ) {
            let memory = SizeClasses::over(System);
            let mut blocks: Vec<Block> = Vec::new();
            for (mark, (step, size, align, which)) in (0u8..=255).cycle().zip(steps) {
                // SAFETY: layouts are not empty, blocks are in use, and each is given back once with its own layout.
                unsafe {
                    if step < 2 || blocks.is_empty() {
                        let layout = Layout::from_size_align(size, 1 << align).unwrap();
                        let block = memory.alloc(layout);
                        prop_assert_eq!(block as usize % layout.align(), 0);
                        block.write_bytes(mark, size);
                        blocks.push(Block(block, layout, mark));
                    } else if step == 2 {
                        let Block(block, layout, _) = blocks.swap_remove(which.index(blocks.len()));
                        memory.dealloc(block, layout);
                    } else {
                        let index = which.index(blocks.len());
                        let block = &mut blocks[index];
                        let kept = block.1.size().min(size);
                        block.0 = memory.realloc(block.0, block.1, size);
                        block.1 = Layout::from_size_align(size, block.1.align()).unwrap();
                        prop_assert!(block.holds(kept));
                        block.0.write_bytes(block.2, size);
                    }
                }
                prop_assert!(blocks.iter().all(|block| block.holds(block.1.size())));
            }
            for Block(block, layout, _) in blocks {
                // SAFETY: as above.
                unsafe { memory.dealloc(block, layout) };
            }
        }
    }
}
