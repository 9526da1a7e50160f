const domain = "example.org"; // the same name in another file is another variable
exports.address = name => name + "@" + domain;
