package expr

var listFunctions = []Function{}
