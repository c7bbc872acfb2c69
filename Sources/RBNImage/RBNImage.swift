import RBNTensor
