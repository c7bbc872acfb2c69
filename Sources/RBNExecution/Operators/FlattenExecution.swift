import RBNGraph

extension Flatten: RowMajorCopy {}
