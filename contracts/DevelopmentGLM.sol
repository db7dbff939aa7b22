// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title GLM for the development chain only: the ERC-20 surface of the real token, and a faucet.
/// @dev 18 decimals, as GLM has on every chain.
contract DevelopmentGLM is ERC20, Ownable {
    constructor(uint256 supply) ERC20("Golem Network Token (development)", "tGLM") Ownable(msg.sender) {
        _mint(msg.sender, supply);
    }

    /// @notice Makes `amount` (in 10^-18 GLM) out of nothing, as a testnet's faucet does.
    function mint(address to, uint256 amount) external onlyOwner {
        _mint(to, amount);
    }
}
