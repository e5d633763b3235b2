//! Memory for views that live as long as a call. In: a vector of one call. Out: its memory for the views of the next.

/// The memory of a vector, emptied, for elements that differ in their lifetime alone.
///
/// The standard library collects an iterator over a vector into that vector's own memory where both kinds of elements
/// have one layout, so nothing is allocated and nothing unsafe is needed.
pub(super) fn recycled<A, B>(mut elements: Vec<A>) -> Vec<B> {
    elements.clear();
    elements.into_iter().map(|_| unreachable!("invariant: the vector was emptied")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_stays() {
        let text = String::from("x");
        let mut views: Vec<Option<&str>> = Vec::with_capacity(100);
        views.push(Some(&text));
        let (address, capacity) = (views.as_ptr() as usize, views.capacity());
        let again: Vec<Option<&'static str>> = recycled(views);
        assert_eq!((again.as_ptr() as usize, again.capacity()), (address, capacity));
    }
}
