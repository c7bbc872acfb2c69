"""PyTorch modules, recording and exporting for the fixtures and checks of swift-rbn."""
