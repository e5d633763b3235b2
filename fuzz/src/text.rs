//! Texts of graphs: whatever is read can be printed, and is then the same text again.

use pullback::{Graph, check::random_graph, ops::samples, text::Parser};

/// Reads a text, and prints and reads again what it says; tells whether it says anything.
pub fn run(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let all = Parser::new().parse_all(text);
    let parsed = match Graph::parse(text) {
        Ok(parsed) => parsed,
        Err(error) => {
            assert_eq!(all.expect_err("the first mistake is one of all").0.first(), Some(&error));
            return false;
        }
    };
    assert!(all.is_ok(), "there is no mistake");
    let printed = parsed.to_text();
    let again = Graph::parse(&printed).unwrap_or_else(|error| panic!("{error} in what was printed:\n{printed}"));
    assert_eq!(again.to_text(), printed, "what is printed is read as it is");
    true
}

/// Every primitive at its samples, a few graphs of many operations, and those of the page on the text form.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = samples().iter().filter_map(sample).collect();
    seeds.extend((0..24).map(|seed| {
        let random = random_graph(seed, 3 + seed as usize % 8);
        random.graph.to_text(random.graph.expr(random.result)).into_bytes()
    }));
    let page = include_str!("../../docs/reference/text.md").split("```graph\n").skip(1);
    seeds.extend(page.filter_map(|block| Some(block.split("```").next()?.as_bytes().to_vec())));
    seeds.extend(WRITTEN.iter().map(|text| text.as_bytes().to_vec()));
    seeds
}

fn sample(sample: &pullback::ops::Sample) -> Option<Vec<u8>> {
    let g = Graph::new();
    let operands: Vec<_> = (sample.operands.iter().enumerate())
        .map(|(position, value)| {
            let (name, shape) = (format!("x{position}"), value.shape());
            g.input_of(value.dtype(), &name, shape)
        })
        .collect();
    let y = g.apply_op(sample.op.clone(), &operands);
    g.check().is_ok().then(|| g.to_text([("y", y)]).into_bytes())
}

/// What samples do not say: symbols, constants that are arrays, parameters.
const WRITTEN: [&str; 6] = [
    "%0: f64[n, 3] = input \"x\"\n%1: f64[3] = constant [1.0, -2.0, 0.5]\n%2: f64[n, 3] = broadcast %1 axes=[1]\n\
     %3: f64[n, 3] = mul %0, %2\n%4: f64[3, n] = transpose %3 permutation=[1, 0]\n%5: f64[3*n] = reshape %4\nreturn y = %5\n",
    "%0: f32[2, 2] = constant [1.0, 2.0, 3.0, 4.0]\n%1: f32[2, 2] = transpose %0 permutation=[1, 0]\n\
     %2: f32[2, 4] = concat %1, %0 axis=1\nreturn y = %2, z = %1\n",
    "%0: f64[4] = input \"x\"\n%1: f64[2, 2] = reshape %0\n%2: f64[2, 2] = cholesky %1\nreturn y = %2\n",
    "%0: f32[n] = input \"x\"\n%1: f32[n] = tanh %0\n%2: f32[] = sum %1 axes=[0]\n%3: f32[] = exp %2\nreturn y = %3, t = %1\n",
    "%0: i64[3] = input \"i\"\n%1: f64[5, n] = input \"x\"\n%2: f64[3, n] = gather %1, %0 axis=0 batch=0\nreturn y = %2\n",
    "%0: f64[b, 2, 3] = input \"a\"\n%1: f64[b, 3, 2] = input \"c\"\n\
     %2: f64[b, 2, 2] = dot %0, %1 left_batch=[0] right_batch=[0] left_contract=[2] right_contract=[1]\nreturn y = %2\n",
];
