"""What engines that speak HTTP share: time limits, trust, proxies, keys, faults in words, and turns under way."""
