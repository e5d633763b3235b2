//! Where each array lives. In: names, dtypes and shapes. Out: a [`Layout`], the table of offsets into one buffer per
//! dtype. Nothing here holds numbers.

use std::{fmt, ops::Range};

use indexmap::{IndexMap, map};

use crate::{
    graph::{DType, Type},
    names,
};

/// Bytes that the start of each buffer is a multiple of: a cache line, and the widest vector register.
pub const ALIGNMENT: usize = 64;

/// More bytes than this no allocation can have, once rounded up to [`ALIGNMENT`].
const MAX_BYTES: usize = isize::MAX as usize - (ALIGNMENT - 1);

/// An ordered map from name to [`Slot`].
///
/// Slots of one dtype follow each other without gaps, in order, so the flat buffer has exactly the arrays' elements.
/// Two layouts are equal if they have the same names, dtypes and shapes in the same order.
///
/// # Example
/// ```
/// use pullback::{DType, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let layout = Layout::new([
///     ("weight", DType::F32, vec![3, 2]),
///     ("scale", DType::F64, vec![]),
///     ("bias", DType::F32, vec![2]),
/// ])?;
/// assert_eq!(layout.get("bias").map(|slot| slot.range.clone()), Some(6..8));
/// assert_eq!(layout.n_elements(), 9);
/// assert_eq!(layout.n_elements_of(DType::F32), 8);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Layout {
    slots: IndexMap<String, Slot>,
}

/// The place of one array: its type, and its elements in the buffer of its dtype, in row-major order.
#[derive(Clone, PartialEq, Eq)]
pub struct Slot {
    /// [`DType::F32`] or [`DType::F64`].
    pub dtype: DType,
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// Positions in the buffer, counted in elements.
    pub range: Range<usize>,
}

/// What a layout has at a position, if it is that long.
pub(crate) type Entry<'a> = Option<(&'a String, &'a Slot)>;

/// Why there is no such layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// Two arrays have one name.
    #[error("two parameters are named `{name}`")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// The dtype cannot carry a derivative.
    #[error("parameter `{name}` is {dtype}, but parameters are f32 or f64")]
    NotFloat {
        /// The name.
        name: String,
        /// The dtype that is not a float.
        dtype: DType,
    },
    /// With this array, the buffer of its dtype is larger than memory can be addressed.
    #[error("parameter `{name}` of shape {shape:?} does not fit in addressable memory")]
    TooLarge {
        /// The name.
        name: String,
        /// The shape.
        shape: Vec<usize>,
    },
}

impl Layout {
    /// The layout of these arrays, in this order.
    ///
    /// # Errors
    /// A name that occurs twice, a dtype that is not a float, a buffer larger than memory can be addressed.
    pub fn new<N: Into<String>>(
        arrays: impl IntoIterator<Item = (N, DType, Vec<usize>)>,
    ) -> Result<Layout, LayoutError> {
        let mut layout = Layout::default();
        for (name, dtype, shape) in arrays {
            layout.append(name.into(), dtype, shape)?;
        }
        Ok(layout)
    }

    /// The slot of that name.
    pub fn get(&self, name: &str) -> Option<&Slot> {
        self.slots.get(name)
    }

    /// The position of the slot of that name.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.slots.get_index_of(name)
    }

    /// The slot at a position below [`Layout::len`].
    pub(crate) fn slot_at(&self, position: usize) -> &Slot {
        &self.slots[position]
    }

    /// Names and slots, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Slot)> {
        self.slots.iter().map(|(name, slot)| (name.as_str(), slot))
    }

    /// Names, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.slots.keys().map(String::as_str)
    }

    /// The number of arrays.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no array.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The number of elements of all arrays together.
    pub fn n_elements(&self) -> usize {
        self.slots.values().map(|slot| slot.range.len()).sum()
    }

    /// The number of elements in the buffer of `dtype`.
    pub fn n_elements_of(&self, dtype: DType) -> usize {
        // Slots have no gaps between them, so the last one ends where the buffer does.
        self.slots.values().rfind(|slot| slot.dtype == dtype).map_or(0, |slot| slot.range.end)
    }

    /// Says where two layouts part: what was expected there, and what was found.
    pub(crate) fn difference(&self, found: &Layout) -> String {
        let describe = |entry: Option<(&String, &Slot)>| match entry {
            Some((name, slot)) => format!("`{name}` {}", slot.ty()),
            None => "nothing".to_owned(),
        };
        match self.first_difference(found) {
            Some((expected, found)) => format!("expected {}, found {}", describe(expected), describe(found)),
            None => "the layouts are equal".to_owned(),
        }
    }

    /// The arrays of this layout for which `has` says so, in their order.
    pub(crate) fn part(&self, has: impl Fn(&str, &Slot) -> bool) -> Layout {
        let mut part = Layout::default();
        for (name, slot) in self.iter().filter(|(name, slot)| has(name, slot)) {
            let appended = part.append(name.to_owned(), slot.dtype, slot.shape.clone());
            appended.expect("invariant: a part of a layout is one");
        }
        part
    }

    /// The arrays at these positions, which rise and are below [`Layout::len`].
    pub(crate) fn part_at(&self, positions: &[usize]) -> Layout {
        self.part(|name, _| self.position(name).is_some_and(|position| positions.binary_search(&position).is_ok()))
    }

    /// The first array of this layout that `whole` lacks, or has of another type or before one that comes first here.
    pub(crate) fn first_beside(&self, whole: &Layout) -> Option<(&str, &Slot)> {
        let mut first = 0;
        self.iter().find(|(name, slot)| {
            let position = whole.position(name).filter(|position| *position >= first);
            let found = position.filter(|position| whole.slot_at(*position).has_type_of(slot));
            first = found.map_or(first, |position| position + 1);
            found.is_none()
        })
    }

    /// Says which array of `part` is the first that this layout does not have so, and what it has.
    pub(crate) fn difference_of_part(&self, part: &Layout) -> String {
        let Some((name, slot)) = part.first_beside(self) else { return "all of them are here".to_owned() };
        match self.get(name) {
            Some(own) if own.has_type_of(slot) => format!("`{name}` is in another place of their order"),
            Some(own) => format!("`{name}` is {} here, not {}", own.ty(), slot.ty()),
            None => {
                format!("nothing is named `{name}`{}", names::suggestion(names::nearest(name, self.names()).as_deref()))
            }
        }
    }

    /// The first position at which two layouts differ, with what each has there.
    pub(crate) fn first_difference<'a>(&'a self, other: &'a Layout) -> Option<(Entry<'a>, Entry<'a>)> {
        let n_positions = self.len().max(other.len());
        let entry = |position| (self.slots.get_index(position), other.slots.get_index(position));
        (0..n_positions).map(entry).find(|(ours, theirs)| ours != theirs)
    }

    fn append(&mut self, name: String, dtype: DType, shape: Vec<usize>) -> Result<(), LayoutError> {
        if !dtype.is_float() {
            return Err(LayoutError::NotFloat { name, dtype });
        }
        let start = self.n_elements_of(dtype);
        let Some(end) = end_of_slot(start, dtype, &shape) else {
            return Err(LayoutError::TooLarge { name, shape });
        };
        match self.slots.entry(name) {
            map::Entry::Occupied(entry) => Err(LayoutError::Duplicate { name: entry.key().clone() }),
            map::Entry::Vacant(entry) => {
                entry.insert(Slot { dtype, shape, range: start..end });
                Ok(())
            }
        }
    }
}

/// The end of a slot that begins at `start`, if memory can hold it.
///
/// Axes of size 0 are left out of the product that is checked, because ndarray refuses `[0, usize::MAX, 2]` too.
fn end_of_slot(start: usize, dtype: DType, shape: &[usize]) -> Option<usize> {
    let bytes_each = if dtype == DType::F32 { size_of::<f32>() } else { size_of::<f64>() };
    let fits = |n_elements: usize| n_elements.checked_mul(bytes_each).is_some_and(|bytes| bytes <= MAX_BYTES);
    let nonzero = shape.iter().filter(|&&size| size != 0);
    let n_addressed = nonzero.copied().try_fold(1usize, usize::checked_mul)?;
    let end = start.checked_add(if shape.contains(&0) { 0 } else { n_addressed })?;
    (fits(n_addressed) && fits(end)).then_some(end)
}

impl PartialEq for Layout {
    fn eq(&self, other: &Layout) -> bool {
        // The map's own equality ignores order.
        self.slots.as_slice() == other.slots.as_slice()
    }
}

impl Eq for Layout {}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Slot {
    fn has_type_of(&self, other: &Slot) -> bool {
        self.dtype == other.dtype && self.shape == other.shape
    }

    /// The dtype and the sizes together.
    pub fn ty(&self) -> Type {
        Type::new(self.dtype, self.shape.as_slice())
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}..{}", self.ty(), self.range.start, self.range.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_of_one_dtype_follow_each_other() {
        let arrays = [
            ("a", DType::F32, vec![2, 3]),
            ("b", DType::F64, vec![4]),
            ("c", DType::F32, vec![]),
            ("d", DType::F32, vec![0, 5]),
            ("e", DType::F64, vec![1]),
        ];
        let layout = Layout::new(arrays).unwrap();
        let ranges: Vec<_> = layout.iter().map(|(_, slot)| slot.range.clone()).collect();
        assert_eq!(ranges, [0..6, 0..4, 6..7, 7..7, 4..5]);
        assert_eq!(layout.names().collect::<String>(), "abcde");
        assert_eq!((layout.n_elements_of(DType::F32), layout.n_elements_of(DType::F64)), (7, 5));
        assert_eq!((layout.n_elements(), layout.n_elements_of(DType::I64)), (12, 0));
    }

    #[test]
    fn equality_minds_the_order() {
        let (a, b) = (("a", DType::F32, vec![1]), ("b", DType::F64, vec![1]));
        let layout = Layout::new([a.clone(), b.clone()]).unwrap();
        let reversed = Layout::new([b, a]).unwrap();
        assert_eq!(layout, layout.clone());
        assert_ne!(layout, reversed);
        assert!(layout.first_difference(&layout).is_none());
        assert!(layout.first_difference(&reversed).is_some());
    }

    #[test]
    fn impossible_layouts_are_errors() {
        let huge = usize::MAX / 2;
        let error = |arrays: Vec<(&str, DType, Vec<usize>)>| Layout::new(arrays).unwrap_err();
        let name = || "a".to_owned();
        let twice = vec![("a", DType::F32, vec![1]), ("a", DType::F64, vec![1])];
        assert_eq!(error(twice), LayoutError::Duplicate { name: name() });
        assert_eq!(
            error(vec![("a", DType::Bool, vec![1])]),
            LayoutError::NotFloat { name: name(), dtype: DType::Bool }
        );
        for shape in [vec![huge], vec![huge, huge], vec![0, huge, huge], vec![0, huge / 2]] {
            let expected = LayoutError::TooLarge { name: name(), shape: shape.clone() };
            assert_eq!(error(vec![("a", DType::F32, shape)]), expected);
        }
        let half = isize::MAX as usize / 8 - 100;
        let together =
            vec![("b", DType::F32, vec![half]), ("c", DType::F32, vec![half]), ("a", DType::F32, vec![half])];
        assert_eq!(error(together), LayoutError::TooLarge { name: name(), shape: vec![half] });
    }
}
