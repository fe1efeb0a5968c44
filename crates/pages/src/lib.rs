//! The look of every page: layout, style, icons, times; and the response headers that go with it.
