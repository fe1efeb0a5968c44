//! P1 in types: whoever writes code against the seal finds one way out, and it takes verified receipts.

#[test]
fn there_is_no_other_way_out_of_a_seal() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/*.rs");
}
