package past

var DigestOf = digestOf
