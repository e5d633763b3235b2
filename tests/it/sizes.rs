//! Sizes of many terms take work in proportion to their terms, counted in requests of memory: what is copied term by term
//! asks for a quadratic number of them.

use pullback::{Dim, Graph};

use crate::allocation::count;

/// A size of so many symbols, as text.
fn text(n: usize) -> String {
    (0..n).map(|position| format!("s{position}")).collect::<Vec<_>>().join(" + ")
}

fn size(n: usize) -> Dim {
    (0..n).map(|position| 2 * Dim::symbol(format!("s{position}"))).sum()
}

fn parse(text: &str) {
    let parsed = Graph::parse(text).expect("the text is a graph");
    assert_eq!(parsed.results.len(), 1);
}

type Work = Box<dyn FnOnce()>;
type Make = fn(usize) -> Work;

/// What makes the work on a size of so many terms.
const WAYS: &[(&str, Make)] = &[
    ("a size of an input", |n| {
        let text = format!("%0: f32[{}] = input \"x\"\nreturn y = %0", text(n));
        Box::new(move || parse(&text))
    }),
    ("a size of an attribute", |n| {
        let text = format!("%0: f32[] = dim_size dim={}\nreturn y = %0", text(n));
        Box::new(move || parse(&text))
    }),
    ("a sum", |n| {
        let terms: Vec<Dim> = (0..n).map(|position| Dim::symbol(format!("s{position}"))).collect();
        Box::new(move || assert_eq!(terms.into_iter().sum::<Dim>().symbols().len(), n))
    }),
    ("a quotient by a number", |n| {
        let size = size(n);
        Box::new(move || {
            assert_eq!((size.clone() + 2).divided_by(&Dim::from(2)).is_some(), size.floor_div(2).is_some())
        })
    }),
    ("a quotient by a sum", |n| {
        let product = size(n) * (Dim::symbol("a") + 1);
        Box::new(move || assert!(product.divided_by(&(Dim::symbol("a") + 1)).is_some()))
    }),
    ("parts put together", |n| {
        let g = Graph::new();
        let parts: Vec<_> = (0..n).map(|position| (format!("x{position}"), format!("s{position}"))).collect();
        let parts: Vec<_> = parts.iter().map(|(name, size)| g.input(name, (size.as_str(),)).id()).collect();
        Box::new(move || {
            let parts: Vec<_> = parts.iter().map(|id| g.expr(*id)).collect();
            assert_eq!(parts[0].concat(parts[1..].iter().copied(), 0).shape()[0].symbols().len(), parts.len());
        })
    }),
    ("the cost of a graph", |n| {
        let g = Graph::new();
        let size = |position: usize| format!("s{position}");
        let parts: Vec<_> =
            (0..n).map(|position| g.input(&format!("x{position}"), (size(position).as_str(),)).sum().id()).collect();
        Box::new(move || {
            let results = parts.iter().enumerate().map(|(position, id)| (format!("y{position}"), g.expr(*id)));
            assert_eq!(g.flops(results.collect::<Vec<_>>()).symbols().len(), parts.len());
        })
    }),
];

#[test]
fn every_way_to_a_size_of_many_terms_is_nearly_linear_in_them() {
    for (way, make) in WAYS {
        let [few, many] = [250, 1000].map(|n| {
            let work = make(n);
            count(work)
        });
        // Four times the terms, the depth of the trees that they are sorted in, and lists that double.
        assert!(many <= 6 * few + 100, "{way}: {few} requests for 250 terms, {many} for 1,000");
    }
}
